using System.Globalization;
using System.Net.Http.Headers;

namespace Vigil.Metrics.Scrape;

/// <summary>The format of a page of metrics.</summary>
internal enum PageFormat
{
    /// <summary>Prometheus' text format; what says nothing of itself is taken for it.</summary>
    Text,

    /// <summary>OpenMetrics' text format.</summary>
    OpenMetrics,

    /// <summary>Prometheus' protobuf format.</summary>
    Protobuf,
}

/// <summary>The formats that a job asks for, as Prometheus asks.</summary>
/// <param name="Accept">The header.</param>
internal sealed record PageProtocols(string Accept)
{
    private const string OpenMetrics = "application/openmetrics-text";
    private const string Protobuf = "application/vnd.google.protobuf";

    /// <summary>Prometheus' names of the formats, in the order in which they are wanted unless a job says otherwise.</summary>
    public static readonly IReadOnlyList<string> Default = ["OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"];

    /// <summary>The same where native histograms are wanted, which the text formats do not have.</summary>
    public static readonly IReadOnlyList<string> WithHistograms = ["PrometheusProto", .. Default];

    /// <summary>The ways to write names that not every reader takes.</summary>
    public static readonly IReadOnlyList<string> Escapings = ["allow-utf-8", "underscores", "dots", "values"];

    /// <summary>Asks for formats by their names, the first the most wanted, and for names escaped so.</summary>
    public static PageProtocols Of(IReadOnlyList<string> protocols, string escaping)
    {
        var weight = WithHistograms.Count + 1;
        var accepted = protocols.Select(protocol => $"{Header(protocol, escaping)};q=0.{(weight--).ToString(CultureInfo.InvariantCulture)}").ToArray();
        return new PageProtocols($"{string.Join(',', accepted)},*/*;q=0.{weight}");
    }

    /// <summary>The format that an answer says it has.</summary>
    public static PageFormat FormatOf(MediaTypeHeaderValue? type) => type?.MediaType switch
    {
        OpenMetrics => PageFormat.OpenMetrics,
        Protobuf => PageFormat.Protobuf,
        _ => PageFormat.Text,
    };

    private static string Header(string protocol, string escaping) => protocol switch
    {
        "PrometheusProto" => $"{Protobuf};proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping={escaping}",
        "OpenMetricsText1.0.0" => $"{OpenMetrics};version=1.0.0;escaping={escaping}",
        "OpenMetricsText0.0.1" => $"{OpenMetrics};version=0.0.1",
        "PrometheusText1.0.0" => $"text/plain;version=1.0.0;escaping={escaping}",
        _ => "text/plain;version=0.0.4",
    };
}
