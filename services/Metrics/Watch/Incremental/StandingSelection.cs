using System.Collections.Frozen;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>A selector, and the function over its window: a leaf of a standing plan.</summary>
/// <param name="Key">Two that are written alike have the same.</param>
/// <param name="Matchers">Which series.</param>
/// <param name="RangeMs">The window, milliseconds; of an instant selector the lookback.</param>
/// <param name="OffsetMs">How long ago the window ends.</param>
/// <param name="Function">A key of <see cref="RangeFunctions.All"/>; null for an instant selector.</param>
/// <param name="Scalars">The function's other arguments.</param>
internal sealed record SelectionSpec(string Key, IReadOnlyList<LabelMatcher> Matchers, long RangeMs, long OffsetMs, string? Function, double[] Scalars)
{
    private static readonly FrozenSet<string> OfTheMoment = FrozenSet.Create(StringComparer.Ordinal, "rate", "increase", "delta", "predict_linear");

    /// <summary>The value changes with the moment even where the window does not: it is extrapolated to that moment.</summary>
    public bool IsOfTheMoment => Function is not null && OfTheMoment.Contains(Function);

    /// <summary>These two behave like an offset, and an instant selector is the metric itself.</summary>
    public bool KeepsName => Function is null or "first_over_time" or "last_over_time";

    /// <summary>What is to be kept up to date about each window.</summary>
    public IWindowFold? NewFold() => Function switch
    {
        "sum_over_time" => new RunningSum(mean: false),
        "avg_over_time" => new RunningSum(mean: true),
        "min_over_time" => new RunningExtreme(max: false),
        "max_over_time" => new RunningExtreme(max: true),
        "rate" => new RunningResets(perSecond: true),
        "increase" => new RunningResets(perSecond: false),
        "quantile_over_time" => new RunningOrder(Scalars[0]),
        // The evaluator's own functions take the window's ends alone, or are summed up in an order that matters.
        _ => null,
    };
}

/// <summary>
/// The windows of all series that a selector finds, in order of labels. They are moved to the moment of an evaluation; values are worked out when they are
/// asked for, once for all expressions that share the selection.
/// </summary>
internal sealed class StandingSelection(SelectionSpec spec, StandingMemory memory) : IPlanNode
{
    private readonly Dictionary<LabelSet, SelectedWindow> byLabels = [];
    private readonly List<SelectedWindow> windows = [];
    private readonly RangeFunction? function = spec.Function is null ? null : RangeFunctions.All[spec.Function];
    private bool touched;
    private bool any;
    private long at = long.MinValue;
    private long floor = long.MaxValue;
    private long windowChange = long.MaxValue;

    public SelectionSpec Spec { get; } = spec;

    public int Structure { get; private set; }

    public int Count => windows.Count;

    /// <summary>Series with a sample in the window whose newest is no stale marker.</summary>
    public int Inputs { get; private set; }

    /// <summary>The first moment at which the newest sample of all windows is in sight; <see cref="long.MinValue"/> without any.</summary>
    public long Newest { get; private set; } = long.MinValue;

    /// <summary>The moment at which the values may be others, if no sample comes before.</summary>
    public long NextChange => Spec.IsOfTheMoment && any ? at + 1 : windowChange;

    /// <summary>Whether all samples of the window at a moment are known; otherwise they have to be read first.</summary>
    public bool Covers(long moment) => moment - Spec.OffsetMs - Spec.RangeMs >= floor;

    public LabelSet LabelsOf(int index) => windows[index].Labels;

    public bool DropsName(int index) => !Spec.KeepsName;

    /// <summary>The window of a series, made where there is none.</summary>
    public SelectedWindow Find(LabelSet labels)
    {
        if (byLabels.TryGetValue(labels, out var window)) return window;
        window = new SelectedWindow(labels, new SampleWindow(memory, Spec.NewFold()), this);
        Add(window);
        return window;
    }

    /// <summary>Takes a sample of a series. False where there is no room for it.</summary>
    public bool Insert(SelectedWindow window, long time, double value)
    {
        if (!byLabels.TryGetValue(window.Labels, out var there)) Add(there = window);
        touched = true;
        return there.Samples.Insert(time, value);
    }

    /// <summary>All samples after <paramref name="from"/> were read.</summary>
    public void Known(long from) => floor = Math.Min(floor, from);

    public void Evaluate(long moment)
    {
        var still = moment >= at && moment < windowChange && !touched;
        if (still)
        {
            at = moment;
            return;
        }
        at = moment;
        touched = false;
        var (from, to) = (moment - Spec.OffsetMs - Spec.RangeMs, moment - Spec.OffsetMs);
        floor = Math.Max(floor, from);
        windowChange = long.MaxValue;
        Inputs = 0;
        any = false;
        Newest = long.MinValue;
        for (var i = windows.Count - 1; i >= 0; i--)
        {
            var samples = windows[i].Samples;
            samples.Advance(from, to);
            if (function is null) samples.KeepNewest();
            if (samples.Count > 0)
            {
                any = true;
                windowChange = Math.Min(windowChange, samples.Times[0] + Spec.RangeMs + Spec.OffsetMs);
                Newest = Math.Max(Newest, samples.Times[^1] + Spec.OffsetMs);
                if (samples.IsAlive(to)) Inputs++;
            }
            else if (samples.IsEmpty)
            {
                Remove(i);
                continue;
            }
            if (samples.After(to) is var next && next != long.MaxValue) windowChange = Math.Min(windowChange, next + Spec.OffsetMs);
        }
    }

    public double Value(int index)
    {
        var window = windows[index];
        var samples = window.Samples;
        if (!samples.Changed && (!Spec.IsOfTheMoment || window.ValueAt == at)) return window.Value;
        window.Value = Work(window);
        window.ValueAt = at;
        samples.Settle();
        return window.Value;
    }

    /// <summary>Where a value lies, as far as that is known at less cost than the value itself.</summary>
    public bool TryEstimate(int index, out double value, out double error)
    {
        var samples = windows[index].Samples;
        (value, error) = (0, 0);
        return samples.Count > RunningSum.Small && samples.Fold is { } fold && fold.TryEstimate(WindowOf(samples), out value, out error);
    }

    /// <summary>Gives all room back.</summary>
    public void Release()
    {
        foreach (var window in windows) window.Samples.Release();
        windows.Clear();
        byLabels.Clear();
    }

    private double Work(SelectedWindow window)
    {
        var samples = window.Samples;
        if (samples.Count == 0) return Samples.Absent;
        if (function is null) return samples.IsAlive(at - Spec.OffsetMs) ? samples.Values[^1] : Samples.Absent;
        return samples.Fold is { } fold && fold.TryValue(WindowOf(samples), out var value) ? value : function(WindowOf(samples), Spec.Scalars);
    }

    private Window WindowOf(SampleWindow samples) => new(samples.Times, samples.Values, at - Spec.OffsetMs, Spec.RangeMs, at);

    private void Add(SelectedWindow window)
    {
        byLabels.Add(window.Labels, window);
        var (low, high) = (0, windows.Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (LabelOrder.Compare(windows[middle].Labels, window.Labels) < 0) low = middle + 1;
            else high = middle;
        }
        windows.Insert(low, window);
        Structure++;
    }

    private void Remove(int index)
    {
        windows[index].Samples.Release();
        byLabels.Remove(windows[index].Labels);
        windows.RemoveAt(index);
        Structure++;
    }
}

/// <summary>A series of a selection.</summary>
internal sealed class SelectedWindow(LabelSet labels, SampleWindow samples, StandingSelection selection)
{
    public LabelSet Labels { get; } = labels;

    public SampleWindow Samples { get; } = samples;

    public StandingSelection Selection { get; } = selection;

    /// <summary>As worked out last.</summary>
    public double Value { get; set; }

    /// <summary>The moment it was worked out for, milliseconds since 1970.</summary>
    public long ValueAt { get; set; } = long.MinValue;
}
