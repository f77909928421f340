using System.Globalization;
using System.Text.Json;
using Vigil.Metrics.Series;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>A real Prometheus and our service with the same samples, asked the same over HTTP.</summary>
internal sealed class Twins : IAsyncDisposable
{
    private readonly PrometheusProcess prometheus;
    private readonly MetricsHost host;

    private Twins(PrometheusProcess prometheus, MetricsHost host)
    {
        (this.prometheus, this.host) = (prometheus, host);
        Theirs = new HttpClient { BaseAddress = prometheus.Address };
        Ours = new HttpClient { BaseAddress = host.HttpAddress };
        Ours.DefaultRequestHeaders.Authorization = new("Bearer", MetricsHost.Token);
    }

    public HttpClient Theirs { get; }

    public HttpClient Ours { get; }

    /// <summary>A whole minute in the recent past, in milliseconds, so that both sides hold the samples before it as recent ones.</summary>
    public static long WholeMinute() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 60_000 * 60_000 - 120_000;

    public static async Task<Twins> StartAsync(IReadOnlyList<SeriesSamples> series)
    {
        var prometheus = await PrometheusProcess.StartAsync(series);
        var host = await MetricsHost.StartAsync();
        await PushAsync(host, series);
        return new(prometheus, host);
    }

    /// <summary>How the values at a moment differ.</summary>
    public Task<IEnumerable<string>> CompareAsync(string expression, long time) =>
        CompareAsync(expression, $"query?query={Uri.EscapeDataString(expression)}&time={Seconds(time)}");

    /// <summary>How the values over a time differ.</summary>
    public Task<IEnumerable<string>> CompareAsync(string expression, long start, long end, int step) =>
        CompareAsync(expression, $"query_range?query={Uri.EscapeDataString(expression)}&start={Seconds(start)}&end={Seconds(end)}&step={step}");

    public async ValueTask DisposeAsync()
    {
        Theirs.Dispose();
        Ours.Dispose();
        await host.DisposeAsync();
        await prometheus.DisposeAsync();
    }

    private async Task<IEnumerable<string>> CompareAsync(string expression, string query)
    {
        var (theirStatus, theirAnswer) = await AskAsync(Theirs, query);
        var (ourStatus, ourAnswer) = await AskAsync(Ours, query);
        // Ties between the best of several groups are broken as it happens.
        var ordered = expression.StartsWith("sort", StringComparison.Ordinal) || expression.StartsWith("topk(", StringComparison.Ordinal);
        if (theirStatus == ourStatus && Difference(theirAnswer, ourAnswer, ordered) is null) return [];
        return [$"{query[..query.IndexOf('?')]} {expression}: {Difference(theirAnswer, ourAnswer, ordered)}\n  theirs: {theirStatus} {Short(theirAnswer)}\n  ours:   {ourStatus} {Short(ourAnswer)}"];
    }

    private static async Task<(int Status, JsonElement Answer)> AskAsync(HttpClient http, string query)
    {
        using var response = await http.GetAsync(new Uri($"api/v1/{query}", UriKind.Relative)).DefaultTimeout();
        return ((int)response.StatusCode, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement);
    }

    private static string Short(JsonElement answer) => answer.GetRawText() is { Length: > 600 } text ? text[..600] : answer.GetRawText();

    /// <summary>Errors must be of one type (their words changed between versions); values must be equal to a part in a thousand million.</summary>
    private static string? Difference(JsonElement theirs, JsonElement ours, bool ordered)
    {
        var status = theirs.GetProperty("status").GetString();
        if (status != ours.GetProperty("status").GetString()) return "status";
        if (status == "error") return theirs.GetProperty("errorType").GetString() == ours.GetProperty("errorType").GetString() ? null : "errorType";
        var (a, b) = (theirs.GetProperty("data"), ours.GetProperty("data"));
        if (a.GetProperty("resultType").GetString() != b.GetProperty("resultType").GetString()) return "resultType";
        var (x, y) = (a.GetProperty("result"), b.GetProperty("result"));
        if (a.GetProperty("resultType").GetString() is "scalar" or "string") return SameSample(x, y) ? null : "value";
        if (x.GetArrayLength() != y.GetArrayLength()) return $"{x.GetArrayLength()} series there, {y.GetArrayLength()} here";
        var (left, right) = (x.EnumerateArray().ToArray(), y.EnumerateArray().ToArray());
        if (!ordered)
        {
            left = left.OrderBy(Key, StringComparer.Ordinal).ToArray();
            right = right.OrderBy(Key, StringComparer.Ordinal).ToArray();
        }
        for (var i = 0; i < left.Length; i++)
        {
            if (Key(left[i]) != Key(right[i])) return $"{Key(left[i])} there, {Key(right[i])} here";
            if (left[i].TryGetProperty("value", out var value))
            {
                if (!SameSample(value, right[i].GetProperty("value"))) return $"value of {Key(left[i])}";
                continue;
            }
            var (v, w) = (left[i].GetProperty("values").EnumerateArray().ToArray(), right[i].GetProperty("values").EnumerateArray().ToArray());
            if (v.Length != w.Length) return $"{v.Length} samples of {Key(left[i])} there, {w.Length} here";
            for (var j = 0; j < v.Length; j++)
            {
                if (!SameSample(v[j], w[j])) return $"{Key(left[i])}: {v[j].GetRawText()} there, {w[j].GetRawText()} here";
            }
        }
        return null;
    }

    private static string Key(JsonElement series) =>
        string.Join(",", series.GetProperty("metric").EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => $"{p.Name}={p.Value}"));

    private static bool SameSample(JsonElement a, JsonElement b)
    {
        if (a[0].GetRawText() != b[0].GetRawText()) return false;
        var (x, y) = (a[1].GetString()!, b[1].GetString()!);
        if (x == y) return true;
        if (!double.TryParse(x, NumberStyles.Float, CultureInfo.InvariantCulture, out var u) || !double.TryParse(y, NumberStyles.Float, CultureInfo.InvariantCulture, out var v)) return false;
        // Near zero, what cancels out is rounding.
        return Math.Abs(u - v) <= 1e-9 * Math.Max(1e-3, Math.Max(Math.Abs(u), Math.Abs(v)));
    }

    private static string Seconds(long ms) => $"{ms / 1000}.{ms % 1000:000}";

    private static async Task PushAsync(MetricsHost host, IReadOnlyList<SeriesSamples> series)
    {
        using var client = await host.OpenAsync("differential");
        await client.DeclareAsync(series.Select((s, i) => PushClient.Series((uint)i + 1, s.Labels.Name,
            s.Labels.AsLabels().Where(l => l.Name != LabelSet.NameLabel).Select(l => (l.Name, l.Value)).ToArray())).ToArray());
        ulong sequence = 0;
        for (var i = 0; i < series.Count; i++)
        {
            var one = series[i];
            await client.SendAsync(++sequence, Enumerable.Range(0, one.Count).Select(j => ((uint)i + 1, one.Times.Span[j], one.Values.Span[j])).ToArray());
            Assert.Equal((uint)one.Count, (await client.AckAsync()).Accepted);
        }
    }
}
