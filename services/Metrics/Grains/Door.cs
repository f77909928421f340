namespace Vigil.Metrics.Grains;

/// <summary>The way by which samples come in: refusals are counted by it.</summary>
internal enum Door
{
    /// <summary>A stream of <c>vigil.metrics.v1.MetricsIngest/Push</c>.</summary>
    Push,

    /// <summary>OTLP, over gRPC or HTTP.</summary>
    Otlp,

    /// <summary>Prometheus' remote write.</summary>
    RemoteWrite,

    /// <summary>What this service fetches from targets.</summary>
    Scrape,

    /// <summary>What this service finds out by asking others whether they work.</summary>
    Probe,

    /// <summary>What recording rules yield.</summary>
    Rule,
}
