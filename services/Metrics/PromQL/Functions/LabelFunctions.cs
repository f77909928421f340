using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions that change labels or order by them, whatever the samples.</summary>
internal static class LabelFunctions
{
    public static VectorBlock Replace(VectorBlock input, string destination, string replacement, string source, string pattern, int steps)
    {
        Re2 regex;
        try
        {
            regex = Re2.Compile(pattern);
        }
        catch (FormatException)
        {
            throw new EvaluationException($"invalid regular expression in label_replace(): {pattern}");
        }
        if (!LabelNames.IsValid(destination)) throw InvalidName("destination", "label_replace", destination);
        return Relabel(input, steps, destination, labels => regex.Expand(replacement, labels.Get(source)));
    }

    public static VectorBlock Join(VectorBlock input, string destination, string separator, IReadOnlyList<string> sources, int steps)
    {
        if (sources.FirstOrDefault(s => !LabelNames.IsValid(s)) is { } bad) throw InvalidName("source", "label_join", bad);
        if (!LabelNames.IsValid(destination)) throw InvalidName("destination", "label_join", destination);
        return Relabel(input, steps, destination, labels => string.Join(separator, sources.Select(labels.Get)));
    }

    public static VectorBlock SortBy(VectorBlock input, IReadOnlyList<string> labels, bool descending)
    {
        var sorted = input.Series.ToArray();
        Array.Sort(sorted, (a, b) =>
        {
            foreach (var label in labels)
            {
                var order = NaturalOrder(a.Labels.Get(label), b.Labels.Get(label));
                if (order != 0) return descending ? -order : order;
            }
            var rest = LabelOrder.Compare(a.Labels, b.Labels);
            return descending ? -rest : rest;
        });
        return new(sorted);
    }

    /// <param name="value">The new value; null leaves the series as it is.</param>
    private static VectorBlock Relabel(VectorBlock input, int steps, string destination, Func<LabelSet, string?> value)
    {
        var builder = new BlockBuilder(steps);
        foreach (var series in input.Series)
        {
            if (value(series.Labels) is not { } text) builder.Merge(series);
            // A name that was set on purpose stays.
            else builder.Merge(series with { Labels = series.Labels.With(destination, text), DropName = series.DropName && destination != LabelSet.NameLabel });
        }
        return builder.Build();
    }

    /// <summary>Runs of digits compare as numbers: "a2" before "a10".</summary>
    private static int NaturalOrder(string a, string b)
    {
        var (i, j) = (0, 0);
        while (i < a.Length && j < b.Length)
        {
            var (runA, runB) = (Run(a, i), Run(b, j));
            var partA = a.AsSpan(i, runA);
            var partB = b.AsSpan(j, runB);
            int order;
            if (char.IsAsciiDigit(partA[0]) && char.IsAsciiDigit(partB[0]))
            {
                var numberA = partA.TrimStart('0');
                var numberB = partB.TrimStart('0');
                order = numberA.Length != numberB.Length ? numberA.Length - numberB.Length : numberA.SequenceCompareTo(numberB);
                if (order == 0) order = partA.Length - partB.Length;
            }
            else
            {
                order = partA.SequenceCompareTo(partB);
            }
            if (order != 0) return order;
            i += runA;
            j += runB;
        }
        return (a.Length - i).CompareTo(b.Length - j);
    }

    private static int Run(string text, int from)
    {
        var digit = char.IsAsciiDigit(text[from]);
        var to = from + 1;
        while (to < text.Length && char.IsAsciiDigit(text[to]) == digit) to++;
        return to - from;
    }

    private static EvaluationException InvalidName(string which, string function, string name) =>
        new($"invalid {which} label name in {function}(): {name}");
}
