using System.Globalization;
using Vigil.Metrics.Tests.Service;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

/// <summary>The KPIs that the seeds print (M17), asked over HTTP letter by letter; and beside them what they should have printed.</summary>
public sealed class SeedKpiTests : IAsyncLifetime
{
    private MetricsHost host = null!;
    private PrometheusClient client = null!;

    public async Task InitializeAsync()
    {
        host = await MetricsHost.StartAsync();
        client = new PrometheusClient(host);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        using var push = await host.OpenAsync("s", ("job", "model"));
        await push.DeclareAsync(
            PushClient.Series(1, "up"), PushClient.Series(2, "http_request_duration_seconds_sum"), PushClient.Series(3, "http_request_duration_seconds_count"),
            PushClient.Series(4, "http_requests_total", ("status", "200")), PushClient.Series(5, "http_requests_total", ("status", "500")), PushClient.Series(6, "http_requests_total", ("status", "503")),
            PushClient.Series(7, "model_accuracy"), PushClient.Series(8, "high_risk_customers_total"), PushClient.Series(9, "predictions_total"), PushClient.Series(10, "model_deployments_total"));
        // Over four minutes: 240 requests that take 0.25 s each, of which a tenth fail.
        for (var i = 0; i <= 4; i++)
        {
            var at = now - (4 - i) * 60_000 - 1000;
            await push.SendAsync((ulong)i + 1, (1, at, i == 0 ? 0 : 1), (2, at, i * 15), (3, at, i * 60), (4, at, i * 54), (5, at, i * 4), (6, at, i * 2),
                (7, at, 0.87), (8, at, 42), (9, at, i * 120), (10, at, i));
            await push.AckAsync();
        }
    }

    public async Task DisposeAsync()
    {
        client.Dispose();
        await host.DisposeAsync();
    }

    [Fact]
    public async Task M17_Uptime_AsPrinted() => Assert.Equal("100", await client.ValueAsync("up * 100"));

    [Fact]
    public async Task M17_MeanLatency_AsPrinted() =>
        Assert.Equal(0.25, await NumberAsync("rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])"), 1e-9);

    /// <summary>Like labels divide like labels: each failing series by itself, which is 1. It runs as printed all the same.</summary>
    [Fact]
    public async Task M17_ErrorRatio_AsPrinted_IsOneForEachSeriesThatFails()
    {
        var result = (await client.GetAsync($"query?query={Uri.EscapeDataString("rate(http_requests_total{status=~\"5..\"}[5m]) / rate(http_requests_total[5m])")}")).GetProperty("data").GetProperty("result");
        Assert.Equal(["1", "1"], result.EnumerateArray().Select(e => e.GetProperty("value")[1].GetString()));
    }

    [Fact]
    public async Task M17_ErrorRatio_AsMeant() =>
        Assert.Equal(0.1, await NumberAsync("sum(rate(http_requests_total{status=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))"), 1e-9);

    [Fact]
    public async Task M17_ModelAccuracy_AsPrinted() => Assert.Equal("0.87", await client.ValueAsync("model_accuracy"));

    [Fact]
    public async Task M17_HighRiskCustomers_AsPrinted() => Assert.Equal("42", await client.ValueAsync("high_risk_customers_total"));

    /// <summary>Two a second over four minutes, as far as the hour that it looks at goes: the range is cut where the series begins.</summary>
    [Fact]
    public async Task M17_PredictionsPerSecond_AsPrinted()
    {
        var rate = await NumberAsync("rate(predictions_total[1h])");
        // 480 over 3600 s; extrapolated by less than half an interval of 60 s on each side.
        Assert.InRange(rate, 480 / 3600d, 480 * 300 / 240d / 3600);
    }

    [Fact]
    public async Task M17_DeploymentsPerDay_AsPrinted()
    {
        var increase = await NumberAsync("increase(model_deployments_total[1d])");
        Assert.InRange(increase, 4, 5);
    }

    [Fact]
    public async Task M17_Availability_AsMeant() => Assert.Equal("0.8", await client.ValueAsync("avg_over_time(up[10m])"));

    private async Task<double> NumberAsync(string expr) => double.Parse(await client.ValueAsync(expr), CultureInfo.InvariantCulture);
}
