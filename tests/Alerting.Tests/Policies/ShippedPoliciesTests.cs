using Vigil.Alerting.Policies;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Tests.Policies;

/// <summary>
/// The policies that Vigil ships, each on simulated series, with the real PromQL and the real state machine: just below, at and
/// above its threshold, and just before and at the end of its duration.
/// </summary>
public sealed class ShippedPoliciesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 5, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(15);

    [Theory]
    [InlineData("retentionai.yaml", "HighCpuUsage", 0.6999, 0.70, 0.7001)]
    [InlineData("retentionai.yaml", "HighMemoryUsage", 0.7999, 0.80, 0.8001)]
    [InlineData("retentionai.yaml", "DiskSpaceLow", 0.8499, 0.85, 0.8501)]
    [InlineData("retentionai.yaml", "HighErrorRate", 0.0499, 0.05, 0.0501)]
    [InlineData("retentionai.yaml", "SlowResponse", 0.4999, 0.5, 0.5001)]
    [InlineData("capsight.yaml", "PerformanceDegraded", 4.999, 5, 5.001)]
    [InlineData("capsight.yaml", "HighErrorRate", 0.0999, 0.10, 0.1001)]
    public void A6_A8_A15_A19_A20_A21_A23_Threshold_FiresOnlyAboveIt(string file, string alert, double below, double at, double above)
    {
        Assert.Null(FiresAfter(file, alert, below));
        Assert.Null(FiresAfter(file, alert, at));
        Assert.NotNull(FiresAfter(file, alert, above));
    }

    [Theory]
    [InlineData("retentionai.yaml", "CertificateExpiry", 30.01, false)]
    [InlineData("retentionai.yaml", "CertificateExpiry", 30, true)]
    [InlineData("retentionai.yaml", "CertificateExpiry", 29.99, true)]
    [InlineData("retentionai.yaml", "CertificateExpiry", -1, true)]
    [InlineData("retentionai.yaml", "ServiceDown", 1, false)]
    [InlineData("retentionai.yaml", "ServiceDown", 0, true)]
    [InlineData("capsight.yaml", "ServiceDown", 1, false)]
    [InlineData("capsight.yaml", "ServiceDown", 0, true)]
    public void A1_A14_A26_Condition_FiresWhenItHolds(string file, string alert, double value, bool fires) =>
        Assert.Equal(fires, FiresAfter(file, alert, value) is not null);

    [Theory]
    [InlineData("capsight.yaml", "ServiceDown", "A1", 0, 5)]
    [InlineData("capsight.yaml", "PerformanceDegraded", "A6", 6, 15)]
    [InlineData("capsight.yaml", "HighErrorRate", "A8", 0.2, 10)]
    [InlineData("retentionai.yaml", "ServiceDown", "A14", 0, 0)]
    [InlineData("retentionai.yaml", "HighErrorRate", "A15", 0.2, 5)]
    [InlineData("retentionai.yaml", "HighCpuUsage", "A19", 0.9, 15)]
    [InlineData("retentionai.yaml", "HighMemoryUsage", "A20", 0.9, 15)]
    [InlineData("retentionai.yaml", "SlowResponse", "A21", 0.9, 10)]
    [InlineData("retentionai.yaml", "DiskSpaceLow", "A23", 0.9, 0)]
    [InlineData("retentionai.yaml", "CertificateExpiry", "A26", 3, 0)]
    public void A1_A6_A8_A14_A15_A19_A20_A21_A23_A26_Duration_FiresWhenItIsOverAndNotBefore(string file, string alert, string row, double breach, double minutes)
    {
        var policy = Load(file).Single(p => p.Alert == alert);
        Assert.Equal(row, policy.Response.Row);
        Assert.Equal(TimeSpan.FromMinutes(minutes), FiresAfter(file, alert, breach));
    }

    [Theory]
    [InlineData("HighCpuUsage")]
    [InlineData("HighMemoryUsage")]
    public void A19_A20_BreachThatPausesJustBeforeTheEnd_DoesNotFire(string alert)
    {
        var policy = Load("retentionai.yaml").Single(p => p.Alert == alert);
        var pause = Start + TimeSpan.FromMinutes(15) - Step;
        Assert.Null(Simulate(policy, t => SeriesOf(alert, t == pause ? 0.5 : 0.9, t), TimeSpan.FromMinutes(20)));
    }

    [Theory]
    [InlineData("capsight.yaml", "P1", 1, "15m", "CEO,CTO")]
    [InlineData("capsight.yaml", "P2", 2, "4h", "Engineering team lead")]
    [InlineData("retentionai.yaml", "Critical", 1, "5m", "On-call engineer")]
    [InlineData("retentionai.yaml", "Warning", 2, "1h", "Team lead")]
    [InlineData("retentionai.yaml", "Info", 3, "1d", "Ticket")]
    public void A1_A26_Severity_KeepsItsWordAndClock(string file, string severity, int level, string respond, string escalate)
    {
        var policies = Load(file).Where(p => p.Response.Severity == severity).ToArray();
        Assert.NotEmpty(policies);
        Assert.All(policies, p =>
        {
            Assert.Equal(level, p.Response.Level);
            Assert.Equal(respond, PrometheusDuration.Format(p.Response.RespondWithin!.Value));
            Assert.Equal(escalate, string.Join(',', p.Response.Escalate));
            Assert.Equal(severity, p.Labels["severity"]);
        });
    }

    [Fact]
    public void ServiceDown_ProbeAndUpOfOneInstance_MakeOneAlert()
    {
        var policy = Load("retentionai.yaml").Single(p => p.Alert == "ServiceDown");
        Assert.Single(Evaluate(policy, Start, t => SeriesOf("ServiceDown", 0, t)).Samples);
    }

    private static IReadOnlyList<PolicyDefinition> Load(string file)
    {
        var parsed = PolicyFileParser.Parse(file, File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "policies", file)));
        Assert.Empty(parsed.Diagnostics);
        return parsed.Policies;
    }

    /// <summary>How long after the expression began to hold the alert fires; null when it does not within an hour.</summary>
    private static TimeSpan? FiresAfter(string file, string alert, double value) =>
        Simulate(Load(file).Single(p => p.Alert == alert), t => SeriesOf(alert, value, t), TimeSpan.FromHours(1));

    private static TimeSpan? Simulate(PolicyDefinition policy, Func<DateTimeOffset, (LabelSet Labels, double Value)[]> seriesAt, TimeSpan length)
    {
        var rules = new AlertRules(policy, 100, Step * 3);
        var book = AlertBook.Empty;
        for (var now = Start; now <= Start + length; now += Step)
        {
            // A moment before the evaluation: the clock alone must not be early.
            book = rules.Tick(book, now.AddMilliseconds(-1)).Book;
            Assert.True(book.Alerts.Values.All(a => a.Status != AlertStatus.Firing), "fired too early");
            book = rules.Observe(book, Evaluate(policy, now, seriesAt), now).Book;
            if (book.Alerts.Values.FirstOrDefault(a => a.Status == AlertStatus.Firing) is { } firing) return firing.FiredAt - firing.ActiveAt;
        }
        return null;
    }

    private static Evaluation Evaluate(PolicyDefinition policy, DateTimeOffset now, Func<DateTimeOffset, (LabelSet Labels, double Value)[]> seriesAt)
    {
        Assert.True(PromQlParser.TryParse(policy.Expr, out var expr, out var error), error?.ToString());
        var samples = new Dictionary<LabelSet, (List<long> Times, List<double> Values)>();
        // Ten minutes of history, from before the start on, is more than any of the expressions looks back.
        for (var t = now - TimeSpan.FromMinutes(10); t <= now; t += Step)
        {
            foreach (var (labels, value) in seriesAt(t))
            {
                if (!samples.TryGetValue(labels, out var column)) samples[labels] = column = ([], []);
                column.Times.Add(t.ToUnixTimeMilliseconds());
                column.Values.Add(value);
            }
        }
        var options = new EvaluationOptions();
        var source = new PrefetchedSeries();
        var inputs = 0;
        foreach (var (selector, range) in SelectorCollector.Collect(expr, new StepGrid(now.ToUnixTimeMilliseconds(), 1, 1), options))
        {
            var found = samples.Where(s => range.Matchers.All(m => m.Matches(s.Key.Get(m.Name))))
                .Select(s => new SeriesSamples(s.Key, s.Value.Times.ToArray(), s.Value.Values.ToArray())).ToArray();
            inputs += found.Length;
            source.Add(selector, found);
        }
        var vector = Assert.IsType<VectorValue>(Evaluator.Instant(policy.Expr, expr, now.ToUnixTimeMilliseconds(), source, options).Value);
        return new Evaluation(now, [.. vector.Elements.Select(e => new EvaluationSample(Labels(e.Labels), e.Value))], inputs);
    }

    private static AlertLabels Labels(LabelSet labels)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        foreach (var label in labels.AsLabels()) pairs.Add(new(label.Name, label.Value));
        return AlertLabels.From(pairs);
    }

    /// <summary>What the services stream when the quantity that the policy is about has this value, all the time.</summary>
    private static (LabelSet, double)[] SeriesOf(string alert, double value, DateTimeOffset t)
    {
        // Counters run at 10,000 requests per step from long before the start.
        var steps = (t - Start.AddDays(-1)) / Step;
        const double requests = 10_000;
        return alert switch
        {
            "HighCpuUsage" => [(LabelSet.Of("__name__", "host_cpu_usage_ratio", "job", "host", "instance", "a"), value)],
            "HighMemoryUsage" => [(LabelSet.Of("__name__", "host_memory_usage_ratio", "job", "host", "instance", "a"), value)],
            "DiskSpaceLow" => [(LabelSet.Of("__name__", "host_disk_usage_ratio", "job", "host", "instance", "a", "mountpoint", "/"), value)],
            "CertificateExpiry" => [(LabelSet.Of("__name__", "probe_certificate_days_left", "job", "retentionai", "instance", "https://a/"), value)],
            "ServiceDown" =>
            [
                (LabelSet.Of("__name__", "probe_success", "job", "retentionai", "instance", "http://a/"), value),
                (LabelSet.Of("__name__", "up", "job", "retentionai", "instance", "http://a/"), value),
                (LabelSet.Of("__name__", "probe_success", "job", "capsight-api", "instance", "http://b/"), value),
                (LabelSet.Of("__name__", "up", "job", "capsight-api", "instance", "http://b/"), value),
            ],
            "HighErrorRate" =>
            [
                (LabelSet.Of("__name__", "retentionai_requests_total", "job", "retentionai", "status", "200"), Math.Round(requests * (1 - value)) * steps),
                (LabelSet.Of("__name__", "retentionai_requests_total", "job", "retentionai", "status", "503"), Math.Round(requests * value) * steps),
                (LabelSet.Of("__name__", "http_requests_total", "job", "capsight-api", "status", "200"), Math.Round(requests * (1 - value)) * steps),
                (LabelSet.Of("__name__", "http_requests_total", "job", "capsight-api", "status", "503"), Math.Round(requests * value) * steps),
            ],
            "SlowResponse" or "PerformanceDegraded" =>
            [
                (LabelSet.Of("__name__", "retentionai_request_duration_seconds_sum", "job", "retentionai"), requests * value * steps),
                (LabelSet.Of("__name__", "retentionai_request_duration_seconds_count", "job", "retentionai"), requests * steps),
                (LabelSet.Of("__name__", "http_request_duration_seconds_sum", "job", "capsight-api"), requests * value * steps),
                (LabelSet.Of("__name__", "http_request_duration_seconds_count", "job", "capsight-api"), requests * steps),
            ],
            _ => throw new ArgumentException(alert),
        };
    }
}
