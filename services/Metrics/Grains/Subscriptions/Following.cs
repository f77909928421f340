using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>What one group of standing queries follows in a service grain, and the samples that it is still to be told.</summary>
/// <param name="group">Key of the group.</param>
/// <param name="epoch">The group's activation.</param>
internal sealed class Following(string group, long epoch)
{
    /// <summary>Samples that may wait for a group that is busy; were there more it would read everything once more sooner than be told them.</summary>
    private const int MostPending = 262_144;

    private readonly Dictionary<int, LabelMatcher[]> selections = [];
    // By the condition that fewest series fulfil, so that a new series is not held against every selection.
    private readonly Dictionary<Label, List<int>> byLabel = [];
    private readonly HashSet<int> unlabelled = [];
    private readonly HashSet<int> introduced = [];
    private readonly List<FollowedSeries> introducing = [];
    private Columns pending = new();
    private Columns spare = new();
    private bool lost;
    private long receivedUnixUs;
    private long no;

    public string Group { get; } = group;

    public long Epoch { get; } = epoch;

    /// <summary>Milliseconds since 1970.</summary>
    public long Until { get; set; }

    /// <summary>A batch is on its way: what comes meanwhile is told afterwards, at once.</summary>
    public bool Telling { get; set; }

    /// <summary>It is about to be told.</summary>
    public bool Queued { get; set; }

    /// <summary>The group has not heard of something.</summary>
    public bool HasNews => pending.Count > 0 || introducing.Count > 0 || lost;

    public int Count => selections.Count;

    public void Add(FollowedSelection selection, LabelMatcher[] matchers)
    {
        Remove(selection.Id);
        selections.Add(selection.Id, matchers);
        if (KeyOf(matchers) is { } key)
        {
            if (!byLabel.TryGetValue(key, out var list)) byLabel.Add(key, list = []);
            list.Add(selection.Id);
        }
        else
        {
            unlabelled.Add(selection.Id);
        }
    }

    public void Remove(int id)
    {
        if (!selections.Remove(id, out var matchers)) return;
        unlabelled.Remove(id);
        if (KeyOf(matchers) is not { } key || !byLabel.TryGetValue(key, out var list)) return;
        list.Remove(id);
        if (list.Count == 0) byLabel.Remove(key);
    }

    /// <summary>The next sample of a series names the selections that find it.</summary>
    public void Introduce(SeriesEntry entry) => introduced.Remove(entry.Id);

    /// <summary>The selections that find a series.</summary>
    public List<int> Matching(LabelSet labels)
    {
        var found = new List<int>();
        foreach (var label in labels.AsLabels())
        {
            if (byLabel.TryGetValue(label, out var list)) found.AddRange(list.Where(id => LabelMatcher.AllMatch(selections[id], labels)));
        }
        found.AddRange(unlabelled.Where(id => LabelMatcher.AllMatch(selections[id], labels)));
        return found;
    }

    /// <summary>Notes a sample to tell, or that there is a histogram. False where no selection finds its series any more.</summary>
    public bool Note(SeriesEntry entry, long time, double? value, long received)
    {
        // Each time: they are rare, and after the first nobody is left who follows them.
        if (introduced.Add(entry.Id) || value is null)
        {
            var found = Matching(entry.Labels);
            if (found.Count == 0)
            {
                introduced.Remove(entry.Id);
                return false;
            }
            introducing.Add(new FollowedSeries { Id = entry.Id, Labels = entry.Labels, Selections = [.. found], HasHistograms = value is null });
        }
        receivedUnixUs = Math.Max(receivedUnixUs, received);
        if (value is not { } number) return true;
        if (pending.Count < MostPending) pending.Add(entry.Id, time, number);
        else lost = true;
        return true;
    }

    /// <summary>A batch did not arrive.</summary>
    public void Lose() => lost = true;

    /// <summary>Whether something was lost; it is told thereby.</summary>
    public bool TakeLost()
    {
        var was = lost;
        lost = false;
        return was;
    }

    /// <summary>What there is to tell. To be given back with <see cref="Told"/> before more is taken.</summary>
    public FollowedSamples Take(string source)
    {
        var taken = pending;
        (pending, spare) = (spare, taken);
        var batch = new FollowedSamples
        {
            Source = source,
            Epoch = Epoch,
            No = ++no,
            Lost = TakeLost(),
            Introduced = [.. introducing],
            Count = taken.Count,
            Series = taken.Series,
            Times = taken.Times,
            Values = taken.Values,
            ReceivedUnixUs = receivedUnixUs,
        };
        introducing.Clear();
        receivedUnixUs = 0;
        return batch;
    }

    /// <summary>The batch taken last has arrived.</summary>
    public void Told() => spare.Clear();

    // A metric's name, and a service's, are shared by many series.
    private static Label? KeyOf(LabelMatcher[] matchers)
    {
        var best = matchers.Where(m => m.Kind == MatchKind.Equal && m.Value.Length > 0)
            .OrderBy(m => m.Name switch { LabelSet.NameLabel => 1, GrainKeys.JobLabel => 2, _ => 0 }).FirstOrDefault();
        return best is null ? null : new Label(best.Name, best.Value);
    }

    private sealed class Columns
    {
        private const int Kept = 16_384;

        public int Count { get; private set; }

        public int[] Series { get; private set; } = new int[16];

        public long[] Times { get; private set; } = new long[16];

        public double[] Values { get; private set; } = new double[16];

        public void Add(int series, long time, double value)
        {
            if (Count == Series.Length) Resize(Count * 2);
            Series[Count] = series;
            Times[Count] = time;
            Values[Count++] = value;
        }

        public void Clear()
        {
            Count = 0;
            if (Series.Length > Kept) Resize(16);
        }

        private void Resize(int size) => (Series, Times, Values) = (Sized(Series, size, Count), Sized(Times, size, Count), Sized(Values, size, Count));

        private static T[] Sized<T>(T[] array, int size, int count)
        {
            var sized = new T[size];
            Array.Copy(array, sized, count);
            return sized;
        }
    }
}
