using System.Globalization;

namespace Vigil.Metrics.PromQL;

/// <summary>What was done to the counts of classic histograms that fell from bucket to bucket.</summary>
/// <param name="MinBucket">The lowest bound of a bucket that was raised.</param>
/// <param name="MaxBucket">The highest.</param>
/// <param name="MaxDifference">The most that one was raised by.</param>
internal readonly record struct Correction(double MinBucket, double MaxBucket, double MaxDifference);

/// <summary>
/// Remarks on a result, in order of appearance. Of those that say the same, one is kept, with the place it was last made at, as Prometheus does.
/// </summary>
/// <param name="text">The expression as written: remarks name places in it.</param>
internal sealed class Annotations(string text)
{
    private readonly OrderedDictionary<string, Remark> warnings = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, Remark> infos = new(StringComparer.Ordinal);

    /// <summary>The result may be wrong: "PromQL warning: ... (1:5)".</summary>
    public IReadOnlyList<string> Warnings => [.. warnings.Select(w => Write("PromQL warning: ", w.Key, w.Value))];

    /// <summary>The query may not mean what was meant: "PromQL info: ... (1:5)".</summary>
    public IReadOnlyList<string> Infos => [.. infos.Select(i => Write("PromQL info: ", i.Key, i.Value))];

    public void Warn(string message, PositionRange at) => warnings[message] = new(at, 1, null, 0, 0);

    public void Info(string message, PositionRange at) => infos[message] = new(at, 1, null, 0, 0);

    /// <summary>A warning that says how often it was made, where that is more than once.</summary>
    public void WarnCounted(string message, PositionRange at) =>
        warnings[message] = new(at, warnings.TryGetValue(message, out var before) ? before.Count + 1 : 1, null, 0, 0);

    /// <summary>A remark on a classic histogram that was put right; those on several moments become one.</summary>
    public void Corrected(string message, PositionRange at, Correction made, long timeMs)
    {
        if (!infos.TryGetValue(message, out var before) || before.Corrected is not { } other)
        {
            infos[message] = new(at, 1, made, timeMs, timeMs);
            return;
        }
        var all = new Correction(Math.Min(made.MinBucket, other.MinBucket), Math.Max(made.MaxBucket, other.MaxBucket), Math.Max(made.MaxDifference, other.MaxDifference));
        infos[message] = new(at, before.Count + 1, all, Math.Min(timeMs, before.FirstMs), Math.Max(timeMs, before.LastMs));
    }

    private string Write(string kind, string message, Remark remark)
    {
        var (line, column) = ParseError.LineAndColumn(text, remark.At.Start);
        var more = remark.Corrected is { } made
            ? $", from buckets {GoText.FloatG(made.MinBucket)} to {GoText.FloatG(made.MaxBucket)}, with a max diff of {GoText.FloatG(made.MaxDifference, 2)}"
                + string.Create(CultureInfo.InvariantCulture, $", over {remark.Count} samples from {Moment(remark.FirstMs)} to {Moment(remark.LastMs)}")
            : remark.Count > 1 ? string.Create(CultureInfo.InvariantCulture, $" ({remark.Count} occurrences)")
            : "";
        return string.Create(CultureInfo.InvariantCulture, $"{kind}{message}{more} ({line}:{column})");
    }

    private static string Moment(long timeMs) =>
        DateTimeOffset.FromUnixTimeSeconds(timeMs / 1000).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private readonly record struct Remark(PositionRange At, int Count, Correction? Corrected, long FirstMs, long LastMs);
}
