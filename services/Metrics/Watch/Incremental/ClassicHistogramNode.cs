using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>What a function makes of a histogram.</summary>
/// <param name="buckets">Cumulative, by rising bounds, at least one; may be changed.</param>
internal delegate double HistogramFunction(Span<ClassicHistograms.Bucket> buckets);

/// <summary>
/// A function of classic histograms: of series that differ in the label "le" alone. Which belong together, and in which order, is found when series come.
/// What is no bucket is passed over, as the evaluator does with a warning.
/// </summary>
internal sealed class ClassicHistogramNode(HistogramFunction function, IPlanNode vector) : IPlanNode
{
    private readonly List<LabelSet> labels = [];
    private readonly List<(double UpperBound, int Series)[]> histograms = [];
    private ClassicHistograms.Bucket[] present = [];
    private int structure = -1;

    public int Structure => structure;

    public int Count => labels.Count;

    public LabelSet LabelsOf(int index) => labels[index];

    public bool DropsName(int index) => true;

    public void Evaluate(long moment)
    {
        vector.Evaluate(moment);
        if (structure != vector.Structure) Regroup();
    }

    public double Value(int index)
    {
        var count = 0;
        foreach (var (bound, series) in histograms[index])
        {
            var value = vector.Value(series);
            if (Samples.IsAbsent(value)) continue;
            // "1" and "1.0" are the same bucket.
            if (count > 0 && present[count - 1].UpperBound == bound) present[count - 1].Count += value;
            else present[count++] = new ClassicHistograms.Bucket(bound, value);
        }
        return count == 0 ? Samples.Absent : function(present.AsSpan(0, count));
    }

    private void Regroup()
    {
        structure = vector.Structure;
        labels.Clear();
        histograms.Clear();
        var byLabels = new Dictionary<LabelSet, List<(double UpperBound, int Series)>>();
        for (var i = 0; i < vector.Count; i++)
        {
            var own = vector.LabelsOf(i);
            if (!NumberText.TryParse(own.Get(ClassicHistograms.BucketLabel), out var bound)) continue;
            var key = own.Without(ClassicHistograms.BucketLabel);
            if (!byLabels.TryGetValue(key, out var buckets))
            {
                byLabels.Add(key, buckets = []);
                labels.Add(key);
            }
            buckets.Add((bound, i));
        }
        var most = 0;
        foreach (var key in labels)
        {
            // The order of those with the same bound stays: it is that of their addition.
            histograms.Add([.. byLabels[key].OrderBy(b => b.UpperBound)]);
            most = Math.Max(most, histograms[^1].Length);
        }
        if (present.Length < most) present = new ClassicHistograms.Bucket[most];
    }
}
