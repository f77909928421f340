namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Telemetry</c>. Where traces, metrics and logs go by OTLP is said by the standard OTEL_* variables.</summary>
public sealed class TelemetryOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Telemetry";

    /// <summary>How often the service's own metrics are sent to Metrics, 1 s to 1 h; zero: never. Default 10 s.</summary>
    public TimeSpan SelfMetricsInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Series kept of one metric; further label sets are counted together in one overflow series. 10 to 100,000. Default 2,000.</summary>
    public int MaxSeriesPerMetric { get; set; } = 2000;

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (SelfMetricsInterval != TimeSpan.Zero && (SelfMetricsInterval < TimeSpan.FromSeconds(1) || SelfMetricsInterval > TimeSpan.FromHours(1)))
            yield return new(nameof(SelfMetricsInterval), SelfMetricsInterval, "00:00:01 to 01:00:00, or 00:00:00 for never");
        if (MaxSeriesPerMetric is < 10 or > 100_000) yield return new(nameof(MaxSeriesPerMetric), MaxSeriesPerMetric, "10 to 100000");
    }
}
