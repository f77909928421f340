using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>A standing expression whose value is kept up to date from sample to sample. Pure: it is given samples and moments.</summary>
/// <param name="root">The expression.</param>
/// <param name="leaves">Its selections, as often as they occur in it.</param>
internal sealed class StandingPlan(IPlanNode root, IReadOnlyList<StandingSelection> leaves)
{
    private readonly List<VectorElement> elements = [];
    private LabelSet[] labels = [];
    private int structure = -1;
    private bool mayCollide;

    /// <summary>Its selections, as often as they occur in it.</summary>
    public IReadOnlyList<StandingSelection> Leaves => leaves;

    /// <summary>Series with a sample in the window of their selector, as the full evaluation counts them.</summary>
    public int Inputs
    {
        get
        {
            var inputs = 0;
            foreach (var leaf in leaves) inputs += leaf.Inputs;
            return inputs;
        }
    }

    /// <summary>The first moment at which all samples that were read are in sight.</summary>
    public long Newest
    {
        get
        {
            var newest = long.MinValue;
            foreach (var leaf in leaves) newest = Math.Max(newest, leaf.Newest);
            return newest;
        }
    }

    /// <summary>The moment at which the value may be another, if no sample comes before.</summary>
    public long NextChange
    {
        get
        {
            var next = long.MaxValue;
            foreach (var leaf in leaves) next = Math.Min(next, leaf.NextChange);
            return next;
        }
    }

    /// <summary>Whether all samples that an evaluation at a moment needs are known.</summary>
    public bool Covers(long moment)
    {
        foreach (var leaf in leaves)
        {
            if (!leaf.Covers(moment)) return false;
        }
        return true;
    }

    /// <summary>The value at a moment. The list is used again for the next one.</summary>
    /// <exception cref="EvaluationException">The expression has no value on these data.</exception>
    /// <exception cref="NotIncrementalException">Only the full evaluation can tell.</exception>
    public IReadOnlyList<VectorElement> Evaluate(long moment)
    {
        root.Evaluate(moment);
        if (structure != root.Structure) Relabel();
        elements.Clear();
        for (var i = 0; i < labels.Length; i++)
        {
            var value = root.Value(i);
            if (Samples.IsAbsent(value)) continue;
            if (mayCollide && elements.Exists(e => e.Labels.Equals(labels[i]))) throw BlockBuilder.SameLabels();
            elements.Add(new VectorElement(labels[i], value));
        }
        return elements;
    }

    private void Relabel()
    {
        structure = root.Structure;
        labels = new LabelSet[root.Count];
        for (var i = 0; i < labels.Length; i++) labels[i] = root.DropsName(i) ? LabelOrder.WithoutName(root.LabelsOf(i)) : root.LabelsOf(i);
        mayCollide = labels.Distinct().Count() < labels.Length;
    }
}
