using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>A series of a target, and where it is stored.</summary>
internal sealed class TargetSeries(SeriesSpec spec)
{
    /// <summary>As it is declared.</summary>
    public SeriesSpec Spec => spec;

    /// <summary>Key of its grain; null while it is not declared.</summary>
    public string? Grain { get; private set; }

    /// <summary>Its number there; 0 while it is not declared.</summary>
    public int Id { get; private set; }

    /// <summary>The scrape in which it was last seen with the scrape's own time: what is not seen in the next has ended.</summary>
    public long SeenIn { get; set; } = -1;

    /// <summary>The scrape in which declaring it is tried again after it was refused.</summary>
    public long RetryIn { get; private set; }

    /// <summary>Why it was refused; null where it was not.</summary>
    public string? LimitHit { get; private set; }

    /// <summary>It is known to its grain.</summary>
    public void Declared(string grain, int id) => (Grain, Id, LimitHit) = (grain, id, null);

    /// <summary>Its grain does not take it.</summary>
    public void Refused(string limitHit, long retryIn) => (LimitHit, RetryIn) = (limitHit, retryIn);

    /// <summary>Its grain does not know it any more.</summary>
    public void Forget() => (Grain, Id) = (null, 0);
}

/// <summary>A sample on its way to storage.</summary>
/// <param name="Series">Whose.</param>
/// <param name="TimeMs">Milliseconds since 1970.</param>
/// <param name="Value">Its value, where it is a float.</param>
/// <param name="Histogram">The native histogram that it is otherwise, as <see cref="HistogramCodec"/> writes it.</param>
internal readonly record struct TargetSample(TargetSeries Series, long TimeMs, double Value, byte[]? Histogram);

/// <summary>Samples on their way to storage.</summary>
internal sealed class TargetSamples
{
    private readonly List<TargetSample> items = [];

    /// <summary>In the order in which they came.</summary>
    public IReadOnlyList<TargetSample> Items => items;

    public void Add(TargetSeries series, long timeMs, double value, byte[]? histogram = null) => items.Add(new TargetSample(series, timeMs, value, histogram));

    public void Clear() => items.Clear();
}
