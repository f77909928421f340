using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>The expressions that policies and KPIs are made of, on data small enough to reckon by hand. In the language of <see cref="ScriptRunner"/>.</summary>
public sealed class PolicyExpressionTests
{
    [Theory]
    [InlineData("""
        load 1m
          up{job="api"} 1 1 0 0
          up{job="db"} 1 1 1 1

        eval instant at 3m up * 100
          {job="api"} 0
          {job="db"} 100

        eval instant at 3m up == 0
          up{job="api"} 0

        eval instant at 3m avg_over_time(up[4m])
          {job="api"} 0.5
          {job="db"} 1

        eval instant at 3m max_over_time(up{job="api"}[2m]) == 0
          {job="api"} 0

        eval instant at 3m absent(up{job="ml"})
          {job="ml"} 1

        eval instant at 3m absent(up)

        eval instant at 20m absent_over_time(up{job="api"}[5m])
          {job="api"} 1

        # The last sample is older than the lookback: no data, not OK.
        eval instant at 8m up
        """)]
    public void M17_Availability_OfProbes_IsByHand(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1m
          http_request_duration_seconds_sum 0+30x10
          http_request_duration_seconds_count 0+60x10

        eval instant at 10m rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])
          {} 0.5

        eval instant at 10m rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m]) > 0.5
        """)]
    public void M17_Latency_OfSumByCount_IsByHandAndDoesNotFireAtTheThreshold(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1m
          http_requests_total{job="api",code="200"} 0+90x10
          http_requests_total{job="api",code="500"} 0+6x10
          http_requests_total{job="api",code="503"} 0+4x10

        # As printed: labels match like with like, so that each 5xx series is divided by itself.
        eval instant at 10m rate(http_requests_total{code=~"5.."}[5m]) / rate(http_requests_total[5m])
          {job="api",code="500"} 1
          {job="api",code="503"} 1

        # As meant.
        eval instant at 10m sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m])) * 100
          {job="api"} 10

        eval instant at 10m sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.05
          {} 0.1
        """)]
    public void M8_M17_ErrorRatio_AsPrintedAndAsMeant_IsByHand(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 10m
          predictions_total 0+600x144
          model_deployments_total 0x100 1x43
          model_accuracy 0.79x144
          high_risk_customers_total 12x144

        eval instant at 1440m rate(predictions_total[1h])
          {} 1

        eval instant at 1440m increase(model_deployments_total[1d])
          {} 1

        eval instant at 1440m model_accuracy < 0.8
          model_accuracy 0.79

        eval instant at 1440m high_risk_customers_total
          high_risk_customers_total 12

        eval instant at 1440m min_over_time(model_accuracy[24h]) < 0.8
          {} 0.79
        """)]
    public void M17_A22_ModelKpis_OverADay_AreByHand(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1m
          host_cpu_usage_percent{instance="a"} 71x20
          host_cpu_usage_percent{instance="b"} 70x20
          host_memory_usage_percent{instance="a"} 80.5x20
          host_disk_usage_percent{instance="a",mount="/"} 85 85 86

        eval instant at 15m host_cpu_usage_percent > 70
          host_cpu_usage_percent{instance="a"} 71

        eval instant at 15m avg(host_cpu_usage_percent)
          {} 70.5

        eval instant at 15m count(host_cpu_usage_percent > 70) or vector(0)
          {} 1

        eval instant at 15m count(host_cpu_usage_percent > 90) or vector(0)
          {} 0

        eval instant at 15m host_memory_usage_percent > 80
          host_memory_usage_percent{instance="a"} 80.5

        eval instant at 1m host_disk_usage_percent > 85

        eval instant at 2m host_disk_usage_percent > 85
          host_disk_usage_percent{instance="a",mount="/"} 86
        """)]
    public void A19_A20_A23_HostThresholds_FireAboveAndNotAt(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1d
          probe_ssl_earliest_cert_expiry{instance="https://a"} 2592000+0x40
          disk_free_bytes{mount="/"} 1000-10x40

        # 2592000 s is day 30.
        eval instant at 1d (probe_ssl_earliest_cert_expiry - time()) / 86400 < 30
          {instance="https://a"} 29

        eval instant at 0 (probe_ssl_earliest_cert_expiry - time()) / 86400 < 30

        eval instant at 10d predict_linear(disk_free_bytes[5d], 90 * 86400) < 1
          {mount="/"} 0
        """)]
    public void A26_CertificateAndForecasts_OfDays_AreByHand(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1m
          latency_bucket{le="0.1"} 0+50x10
          latency_bucket{le="0.5"} 0+90x10
          latency_bucket{le="1"} 0+100x10
          latency_bucket{le="+Inf"} 0+100x10
          latency_seconds 1 2 3 4 5 6 7 8 9 10 11

        # Rank 95 lies half way through the bucket of (0.5, 1].
        eval instant at 10m histogram_quantile(0.95, sum by (le) (rate(latency_bucket[5m])))
          {} 0.75

        eval instant at 10m quantile_over_time(0.5, latency_seconds[5m])
          {} 9

        eval instant at 10m quantile(0.95, latency_seconds)
          {} 11

        eval instant at 10m histogram_fraction(0, 0.5, rate(latency_bucket[5m]))
          {} 0.9

        eval instant at 10m max_over_time((latency_seconds > 5)[5m:1m])
          {} 11

        eval instant at 10m latency_seconds / (latency_seconds offset 5m) > 1.5
          {} 1.8333333333333333

        eval instant at 10m changes(latency_seconds[5m])
          {} 4

        eval instant at 10m deriv(latency_seconds[5m]) * 60
          {} 1
        """)]
    public void M7_M16_Latencies_ByHistogramAndWindow_AreByHand(string script) => Passes(script);

    [Theory]
    [InlineData("""
        load 1m
          requests_total{pod="a"} 0+60x10
          requests_total{pod="b"} 0 60 120 180 240 0 60 120 180 240 300
          pod_info{pod="a",node="n1"} 1x10
          pod_info{pod="b",node="n2"} 1x10

        # The reset of b at 5m is no fall.
        eval instant at 10m sum by (node) (rate(requests_total[10m]) * on (pod) group_left (node) pod_info)
          {node="n1"} 1
          {node="n2"} 0.8888888888888888

        eval instant at 10m topk(1, rate(requests_total[10m]))
          {pod="a"} 1

        eval instant at 10m irate(requests_total[10m]) == bool 1
          {pod="a"} 1
          {pod="b"} 1

        eval instant at 10m resets(requests_total[10m]) > 0
          {pod="b"} 1

        eval instant at 10m label_replace(up_or_so or pod_info{pod="a"}, "host", "$1", "node", "n(.*)")
          pod_info{pod="a",node="n1",host="1"} 1

        eval instant at 10m requests_total and on (pod) pod_info{node="n2"}
          requests_total{pod="b"} 300

        eval instant at 10m requests_total unless on (pod) pod_info{node="n2"}
          requests_total{pod="a"} 600

        eval_fail instant at 10m requests_total * on () group_left () pod_info
          expected_fail_message found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="pod_info", node="n1", pod="a"}, {__name__="pod_info", node="n2", pod="b"}];many-to-many matching not allowed: matching labels must be unique on one side

        eval_fail instant at 10m pod_info * on () requests_total{pod="a"}
          expected_fail_message multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)

        eval range from 0 to 2m step 1m sum(requests_total)
          {} 0 120 240
        """)]
    public void Matching_OfVectors_FollowsLabelsAndSaysWhatFails(string script) => Passes(script);

    private static void Passes(string script)
    {
        var run = ScriptRunner.Run(script);
        Assert.True(run.Failures.Count == 0, string.Join("\n", run.Failures));
        Assert.True(run.Passed > 0);
    }
}
