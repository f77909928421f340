using System.Numerics;

namespace Vigil.Metrics.PromQL;

/// <summary>Where a value is below the one before it: for a counter, where it was reset. Mostly nowhere, which is found out many values at once.</summary>
internal ref struct Falls(ReadOnlySpan<double> values)
{
    private readonly ReadOnlySpan<double> values = values;
    private readonly bool anywhere = Anywhere(values);
    private int looked;
    private int newest;

    /// <summary>None of the values in [from, to) is below the one before it, if that is there too. To be asked in order of <paramref name="to"/>.</summary>
    public bool NoneIn(int from, int to)
    {
        if (!anywhere) return true;
        for (; looked < to; looked++)
        {
            if (looked > 0 && values[looked] < values[looked - 1]) newest = looked;
        }
        return newest <= from;
    }

    private static bool Anywhere(ReadOnlySpan<double> values)
    {
        var i = 1;
        for (; i + Vector<double>.Count <= values.Length; i += Vector<double>.Count)
        {
            if (Vector.LessThanAny(new Vector<double>(values[i..]), new Vector<double>(values[(i - 1)..]))) return true;
        }
        for (; i < values.Length; i++)
        {
            if (values[i] < values[i - 1]) return true;
        }
        return false;
    }
}
