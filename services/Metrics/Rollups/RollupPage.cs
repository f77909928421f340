using System.Runtime.InteropServices;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Rollups;

/// <summary>
/// Rollups of many series in one page: a page of samples (<see cref="SamplePageWriter"/>) in which each series has up to eleven columns, numbered
/// 16 * series + column, whose samples have the times <see cref="Rollup.Through"/>. So all columns share their times, whole numbers and decimals are coded as such, and
/// one value at all times takes no bits. A column that follows from the others is left out.
/// </summary>
internal static class RollupPage
{
    private const int Columns = 16;

    private enum Column
    {
        Count,
        First,
        Last,
        Sum,

        /// <summary>Milliseconds from the first sample to <see cref="Rollup.Through"/>.</summary>
        Span,

        /// <summary>Left out where it is the smaller of first and last.</summary>
        Min,

        /// <summary>Left out where it is the greater of first and last.</summary>
        Max,

        /// <summary>Left out where it is zero.</summary>
        Dropped,

        /// <summary>Left out where it is zero.</summary>
        Resets,

        /// <summary>Left out where each sample differs from the one before, or none does.</summary>
        Changes,

        /// <summary>One more than <see cref="Rollup.EndedAfterMs"/>; left out where it is zero.</summary>
        Ended,
    }

    /// <summary>Adds the rollups of a series to a page; numbers must not fall from call to call.</summary>
    public static void Add(SamplePageWriter page, int series, IReadOnlyList<Rollup> rollups)
    {
        if (rollups.Count == 0) return;
        var times = rollups.Select(r => r.Through).ToArray();
        var values = new double[times.Length];
        Write(Column.Count, static r => r.Count, null);
        Write(Column.First, static r => r.First, null);
        Write(Column.Last, static r => r.Last, null);
        Write(Column.Sum, static r => r.Sum, null);
        Write(Column.Span, static r => r.Through - r.FirstTime, null);
        Write(Column.Min, static r => r.Min, LeastOf);
        Write(Column.Max, static r => r.Max, GreatestOf);
        Write(Column.Dropped, static r => r.Dropped, static _ => 0);
        Write(Column.Resets, static r => r.Resets, static _ => 0);
        Write(Column.Changes, static r => r.Changes, ChangesOf);
        Write(Column.Ended, static r => r.EndedAfterMs + 1, static _ => 0);

        void Write(Column column, Func<Rollup, double> of, Func<Rollup, double>? implied)
        {
            var needed = implied is null;
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = of(rollups[i]);
                needed |= BitConverter.DoubleToInt64Bits(values[i]) != BitConverter.DoubleToInt64Bits(implied?.Invoke(rollups[i]) ?? 0);
            }
            if (needed) page.Add(series * Columns + (int)column, SampleBlock.Encode(times, values));
        }
    }

    /// <summary>Reads the rollups of those series that are wanted, one after the other, each oldest first.</summary>
    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    public static void Read(byte[] data, Func<int, bool> wanted, Action<int, Rollup[]> found)
    {
        var page = new SamplePage(data);
        var (series, times) = (-1, new List<long>());
        var columns = new List<double>?[Columns];
        while (page.Next())
        {
            if (page.Series / Columns != series)
            {
                Finish();
                series = page.Series / Columns;
                times.Clear();
                Array.Clear(columns);
                if (!wanted(series)) series = -1;
            }
            if (series < 0)
            {
                // The blocks of a series that nobody wants are passed one by one.
                continue;
            }
            var column = columns[page.Series % Columns] ??= [];
            var end = column.Count;
            CollectionsMarshal.SetCount(column, end + page.Count);
            if (times.Count < column.Count) CollectionsMarshal.SetCount(times, column.Count);
            page.Decode(CollectionsMarshal.AsSpan(times)[end..column.Count], CollectionsMarshal.AsSpan(column)[end..]);
        }
        Finish();

        void Finish()
        {
            if (series < 0) return;
            foreach (var column in columns)
            {
                if (column is not null && column.Count != times.Count) throw Damaged();
            }
            for (var required = Column.Count; required <= Column.Span; required++)
            {
                if (columns[(int)required] is null) throw Damaged();
            }
            var rollups = new Rollup[times.Count];
            for (var i = 0; i < rollups.Length; i++) rollups[i] = At(times[i], columns, i);
            found(series, rollups);
        }
    }

    private static Rollup At(long through, List<double>?[] columns, int i)
    {
        var ended = (long)Or(Column.Ended, 0) - 1;
        var rollup = new Rollup
        {
            Count = (int)Of(Column.Count),
            FirstTime = through - (long)Of(Column.Span),
            LastTime = through - Math.Max(0, ended),
            First = Of(Column.First),
            Last = Of(Column.Last),
            Sum = Of(Column.Sum),
            Dropped = Or(Column.Dropped, 0),
            Resets = (int)Or(Column.Resets, 0),
            EndedAfterMs = ended,
        };
        rollup = rollup with { Min = Or(Column.Min, LeastOf(rollup)), Max = Or(Column.Max, GreatestOf(rollup)) };
        return rollup with { Changes = (int)Or(Column.Changes, ChangesOf(rollup)) };

        double Of(Column column) => columns[(int)column]![i];
        double Or(Column column, double implied) => columns[(int)column] is { } values ? values[i] : implied;
    }

    // Without regard to NaN, of which nothing is implied that is not so.
    private static double LeastOf(Rollup rollup) => rollup.Last < rollup.First ? rollup.Last : rollup.First;

    private static double GreatestOf(Rollup rollup) => rollup.Last > rollup.First ? rollup.Last : rollup.First;

    private static double ChangesOf(Rollup rollup) => rollup.Min == rollup.Max ? 0 : rollup.Count - 1;

    private static InvalidDataException Damaged() => new("a stored page of rollups lacks some of a series' columns");
}
