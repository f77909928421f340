using System.Globalization;
using System.Net.Http.Headers;
using Google.Protobuf;
using Prometheus.Write.V1;

namespace Vigil.StandingQueries;

/// <summary>
/// The samples, one a second, as bodies of Prometheus' remote write: gauges about 50 with three decimals, or the buckets of histograms, each of which counts some ten
/// requests a second that take up to 0.6 s.
/// </summary>
/// <param name="sources">Gauges, or histograms.</param>
/// <param name="histograms">They are histograms.</param>
internal sealed class Feed(int sources, bool histograms)
{
    private const int SeriesPerBody = 1_000;
    private const int HistorySeconds = 300;

    private static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, double.PositiveInfinity];

    private readonly double[] counts = new double[histograms ? sources * Bounds.Length : 0];

    public int Series => histograms ? counts.Length : sources;

    /// <summary>One alert in a hundred fires.</summary>
    public IReadOnlyList<string> Queries(int count) => [.. Enumerable.Range(0, count).Select(q => histograms
        ? FormattableString.Invariant($"histogram_quantile(0.99, sum by (le) (rate(h_bucket{{job=\"bench\",i=\"{q % sources}\"}}[5m]))) > {(q % 100 == 0 ? 0.1 : 2) + q / 1e6:0.######}")
        : FormattableString.Invariant($"avg_over_time(m{{job=\"bench\",i=\"{q % sources}\"}}[5m]) > {(q % 100 == 0 ? 40 : 60) + q / 1e6:0.######}"))];

    /// <summary>Five minutes up to now.</summary>
    public IEnumerable<byte[]> History()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        for (var start = 0; start < Series; start += SeriesPerBody)
            yield return Body(start, Math.Min(Series, start + SeriesPerBody), now - HistorySeconds * 1_000, HistorySeconds);
    }

    /// <summary>One sample of every series, now.</summary>
    public byte[] Round() => Body(0, Series, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(), 1);

    public async Task SendAsync(HttpClient http, ISide side, byte[] body, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, side.Write) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-protobuf");
        request.Content.Headers.ContentEncoding.Add("snappy");
        if (side.Token is { } token) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, ct);
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{side.Write}: {response.StatusCode} {await response.Content.ReadAsStringAsync(ct)}");
    }

    private byte[] Body(int from, int to, long start, int samples)
    {
        var request = new WriteRequest();
        for (var i = from; i < to; i++)
        {
            var one = new TimeSeries
            {
                Labels = { new Label { Name = "__name__", Value = histograms ? "h_bucket" : "m" }, new Label { Name = "i", Value = $"{(histograms ? i / Bounds.Length : i)}" }, new Label { Name = "job", Value = "bench" } },
            };
            if (histograms) one.Labels.Add(new Label { Name = "le", Value = Text(Bounds[i % Bounds.Length]) });
            for (var s = 0; s < samples; s++) one.Samples.Add(new Sample { Timestamp = start + s * 1_000, Value = histograms ? Counted(i) : Random.Shared.Next(40_000, 60_000) / 1e3 });
            request.Timeseries.Add(one);
        }
        return Literal(request.ToByteArray());
    }

    /// <summary>The bucket's count a second later; more of those with a higher bound, as cumulative counts are.</summary>
    private double Counted(int bucket) => counts[bucket] += Math.Round(10 * Math.Min(Bounds[bucket % Bounds.Length], 0.6) / 0.6);

    private static string Text(double bound) => double.IsPositiveInfinity(bound) ? "+Inf" : bound.ToString(CultureInfo.InvariantCulture);

    /// <summary>Snappy's block format with nothing but literals of 64 kB at most.</summary>
    private static byte[] Literal(byte[] data)
    {
        using var packed = new MemoryStream();
        for (var length = (uint)data.Length; ; length >>= 7)
        {
            packed.WriteByte((byte)(length > 127 ? length & 127 | 128 : length));
            if (length <= 127) break;
        }
        for (var start = 0; start < data.Length; start += 65_536)
        {
            var length = Math.Min(65_536, data.Length - start);
            // Tag 61: the length less one follows in two bytes.
            packed.Write([61 << 2, (byte)(length - 1), (byte)((length - 1) >> 8)]);
            packed.Write(data, start, length);
        }
        return packed.ToArray();
    }
}
