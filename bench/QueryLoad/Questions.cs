using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using Vigil.RemoteWriteLoad;

namespace Vigil.QueryLoad;

/// <summary>A range query.</summary>
internal sealed record Question(string Expression, int StepSeconds)
{
    /// <summary>What dashboards ask, each at 1 min and at the samples' own step.</summary>
    public static readonly IReadOnlyList<Question> All =
    [
        .. new[]
        {
            "sum(rate(load_requests_total[5m]))",
            "sum by (path) (rate(load_requests_total[5m]))",
            "avg_over_time(load_queue_length[5m])",
            "max(load_queue_length)",
            "histogram_quantile(0.99, sum by (le) (rate(load_latency_seconds_bucket[5m])))",
            "rate(load_requests_total[5m])",
        }.SelectMany(e => new[] { new Question(e, 60), new Question(e, 15) }),
    ];
}

/// <summary>Asks a receiver over HTTP, as Grafana would.</summary>
internal sealed class Client : IDisposable
{
    private readonly HttpClient http;

    public Client(Receiver receiver)
    {
        http = new HttpClient { BaseAddress = new Uri(receiver.Address, "api/v1/"), Timeout = TimeSpan.FromMinutes(3) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Receiver.Token);
    }

    /// <summary>Asks and reads the whole answer, which is thrown away; returns how long that took.</summary>
    public async Task<TimeSpan> TimeAsync(Question question, Shape shape)
    {
        var start = Stopwatch.GetTimestamp();
        using var answer = await http.GetAsync(Path(question, shape), HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        await using var body = await answer.Content.ReadAsStreamAsync();
        await body.CopyToAsync(Stream.Null, 1 << 20);
        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>The values by labels.</summary>
    public async Task<Dictionary<string, double[]>> AnswerAsync(Question question, Shape shape)
    {
        using var answer = await http.GetAsync(Path(question, shape), HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        using var document = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync());
        return document.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().ToDictionary(
            s => string.Join(',', s.GetProperty("metric").EnumerateObject().Select(l => $"{l.Name}={l.Value}").Order(StringComparer.Ordinal)),
            s => s.GetProperty("values").EnumerateArray().SelectMany(p => new[] { p[0].GetDouble(), double.Parse(p[1].GetString()!, CultureInfo.InvariantCulture) }).ToArray());
    }

    /// <summary>The value of an expression that gives one, at a moment; null where it has none or cannot be had yet.</summary>
    public async Task<double?> TryNumberAsync(string expression, long atMs)
    {
        try
        {
            using var answer = await http.GetAsync($"query?query={Uri.EscapeDataString(expression)}&time={Seconds(atMs)}");
            if (!answer.IsSuccessStatusCode) return null;
            using var document = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync());
            var result = document.RootElement.GetProperty("data").GetProperty("result");
            return result.GetArrayLength() == 0 ? null : double.Parse(result[0].GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture);
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
            return null;
        }
    }

    public void Dispose() => http.Dispose();

    // No moment of the grid is a multiple of the samples' step: whether a window holds a sample at its very beginning has changed with Prometheus 3. No cache: VictoriaMetrics would ask its own.
    private static string Path(Question question, Shape shape) =>
        $"query_range?query={Uri.EscapeDataString(question.Expression)}&start={Seconds(shape.StartMs + 7_000)}&end={Seconds(shape.EndMs)}&step={question.StepSeconds}&nocache=1";

    private static string Seconds(long ms) => (ms / 1000.0).ToString(CultureInfo.InvariantCulture);
}
