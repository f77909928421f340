using System.Globalization;
using System.Text;
using Vigil.Metrics.Api;

namespace Vigil.Metrics.Probes;

/// <summary>A number that a probe found out.</summary>
/// <param name="Name">Metric name: blackbox_exporter's, where it has one.</param>
/// <param name="Value">The number.</param>
/// <param name="Labels">name="value",... as the text format has them, or empty.</param>
internal readonly record struct ProbeSample(string Name, double Value, string Labels = "");

/// <summary>What a probe found.</summary>
/// <param name="Failure">Why it failed; null on success.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Samples">What else it found out.</param>
internal sealed record ProbeResult(string? Failure, double Seconds, IReadOnlyList<ProbeSample> Samples);

/// <summary>Writes a probe's result as a page of metrics, so that it goes the way of every other.</summary>
internal static class ProbeText
{
    private static readonly Dictionary<string, string> Help = new(StringComparer.Ordinal)
    {
        ["probe_success"] = "1 when the last probe succeeded.",
        ["probe_duration_seconds"] = "How long the probe took.",
        ["probe_http_status_code"] = "Status of the answer; 0 without one.",
        ["probe_http_content_length"] = "Bytes of the answer as its header says; -1 where it does not.",
        ["probe_http_uncompressed_body_length"] = "Bytes of the body.",
        ["probe_http_redirects"] = "Redirections followed.",
        ["probe_http_ssl"] = "1 when the last answer came over TLS.",
        ["probe_http_version"] = "HTTP version of the answer.",
        ["probe_failed_due_to_regex"] = "1 when the body was refused.",
        ["probe_ssl_earliest_cert_expiry"] = "When the first certificate of the chain ends, seconds since 1970.",
        ["probe_certificate_days_left"] = "Days until the first certificate of the chain ends.",
        ["probe_grpc_status_code"] = "gRPC status of the answer.",
        ["probe_grpc_healthcheck_response"] = "1 for the state that the health service answered.",
    };

    public static void Write(ProbeResult result, PooledBytes page)
    {
        var text = new StringBuilder();
        foreach (var sample in result.Samples.Prepend(new ProbeSample("probe_duration_seconds", result.Seconds)).Prepend(new ProbeSample("probe_success", result.Failure is null ? 1 : 0)))
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {sample.Name} {Help.GetValueOrDefault(sample.Name, "")}\n# TYPE {sample.Name} gauge\n{sample.Name}");
            if (sample.Labels.Length > 0) text.Append('{').Append(sample.Labels).Append('}');
            text.Append(CultureInfo.InvariantCulture, $" {sample.Value:R}\n");
        }
        var written = text.ToString();
        Encoding.UTF8.GetBytes(written, page.Extend(Encoding.UTF8.GetByteCount(written)));
    }
}
