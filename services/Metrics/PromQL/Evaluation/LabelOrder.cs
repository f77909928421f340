using System.Text;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Order and text of label sets as Prometheus has them.</summary>
internal static class LabelOrder
{
    /// <summary>By name and value of the first label that differs, then the shorter set.</summary>
    public static int Compare(LabelSet left, LabelSet right)
    {
        var a = left.Pairs;
        var b = right.Pairs;
        for (var i = 0; i < Math.Min(a.Length, b.Length); i++)
        {
            var order = string.CompareOrdinal(a[i], b[i]);
            if (order != 0) return order;
        }
        return a.Length.CompareTo(b.Length);
    }

    /// <summary>{__name__="up", job="api"}: the form used in error messages.</summary>
    public static string Text(LabelSet labels) =>
        new StringBuilder("{").AppendJoin(", ", labels.AsLabels().Select(l => $"{LabelNames.Write(l.Name)}={GoText.Quote(l.Value)}")).Append('}').ToString();

    /// <summary>Without the metric's name, and the type and unit that go with it.</summary>
    public static LabelSet WithoutName(LabelSet labels) => labels.Keep(static l => l.Name is not (LabelSet.NameLabel or "__type__" or "__unit__"));

    /// <summary>Only those labels.</summary>
    public static LabelSet Keep(LabelSet labels, IReadOnlyList<string> names) => labels.Keep(l => names.Contains(l.Name));

    /// <summary>All labels but those and the metric name.</summary>
    public static LabelSet DropWithName(LabelSet labels, IReadOnlyList<string> names) =>
        labels.Keep(l => l.Name != LabelSet.NameLabel && !names.Contains(l.Name));
}
