using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>The expressions of a group, the selections that they read, and the service grains that these follow: who belongs to whom, and for how long.</summary>
internal sealed class GroupMembers(StandingBudget budget, StandingMemory memory, PlanCompiler compiler, GroupSessions sessions, MetricsInstruments instruments, ILogger log)
{
    private const string Histograms = "it reads native histograms";
    private const string NoRoom = $"samples take all the room there is for them (Metrics:{nameof(MetricsOptions.MaxStandingSamples)})";

    private readonly Dictionary<string, GroupQuery> queries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GroupLeaf> leaves = new(StringComparer.Ordinal);
    private readonly Dictionary<int, GroupLeaf> leafById = [];
    private readonly Dictionary<string, GroupSource> sources = new(StringComparer.Ordinal);
    private GrainList known = new() { Grains = [], Services = [] };
    private int nextLeaf;

    public IReadOnlyCollection<GroupQuery> Queries => queries.Values;

    public IReadOnlyCollection<GroupSource> Sources => sources.Values;

    /// <summary>The selections that samples came for. Who deals with them clears it.</summary>
    public List<GroupLeaf> Touched { get; } = [];

    /// <summary>Service grains that are known.</summary>
    public int Known => known.Grains.Length;

    public GroupSource? FindSource(string grain) => sources.GetValueOrDefault(grain);

    /// <summary>Whether a selection is still read by an expression.</summary>
    public bool IsUsed(GroupLeaf leaf) => leafById.ContainsKey(leaf.Id);

    /// <summary>The expression that is written so; one that is new adds the selections that nobody read before to <paramref name="added"/>.</summary>
    public GroupQuery Query(string text, HashSet<GroupLeaf> added)
    {
        if (!queries.TryGetValue(text, out var query)) queries.Add(text, query = Make(text, added));
        return query;
    }

    /// <summary>A newer list of all service grains. Returns those that were not known.</summary>
    public IReadOnlyList<GroupSource> Learn(GrainList newer)
    {
        var before = known.Grains.Length;
        known = newer;
        var added = new List<GroupSource>();
        for (var i = before; i < known.Grains.Length; i++)
        {
            foreach (var leaf in leaves.Values) Follow(leaf, known.Grains[i], known.Services[i]);
        }
        for (var i = before; i < known.Grains.Length; i++)
        {
            if (sources.TryGetValue(known.Grains[i], out var source)) added.Add(source);
        }
        return added;
    }

    /// <summary>Forgets grains that nothing is read from any more and that know it.</summary>
    public void ForgetSources()
    {
        foreach (var gone in sources.Values.Where(s => s.Leaves.Count == 0 && s.Removed.Count == 0 && !s.Asking).ToArray()) sources.Remove(gone.Key);
    }

    /// <summary>Takes samples that a grain told.</summary>
    public void Take(GroupSource source, FollowedSamples samples)
    {
        foreach (var series in samples.Introduced)
        {
            var windows = new List<SelectedWindow>(series.Selections.Length);
            foreach (var id in series.Selections)
            {
                if (!leafById.TryGetValue(id, out var leaf)) continue;
                if (series.HasHistograms) InFull(leaf, "histograms", Histograms);
                else windows.Add(leaf.Selection.Find(series.Labels));
            }
            source.Series[series.Id] = [.. windows];
        }
        for (var i = 0; i < samples.Count; i++)
        {
            if (!source.Series.TryGetValue(samples.Series[i], out var windows)) continue;
            foreach (var window in windows) Insert(window, samples.Times[i], samples.Values[i]);
        }
    }

    /// <summary>Takes a series that was read for a selection.</summary>
    public void Take(GroupLeaf leaf, SelectedSeries series)
    {
        if (series.Histograms is not null)
        {
            InFull(leaf, "histograms", Histograms);
            return;
        }
        var window = leaf.Selection.Find(series.Labels);
        for (var i = 0; i < series.Times.Length; i++)
        {
            if (leaf.Selection.Insert(window, series.Times.Span[i], series.Values.Span[i])) continue;
            InFull(leaf, "memory", NoRoom);
            return;
        }
    }

    /// <summary>Hands all expressions that read a selection over to the full evaluation.</summary>
    public void InFull(GroupLeaf leaf, string cause, string reason)
    {
        foreach (var query in leaf.Queries.ToArray()) InFull(query, cause, reason);
    }

    /// <summary>Hands an expression over to the full evaluation, until its last follower has left.</summary>
    public void InFull(GroupQuery query, string cause, string reason)
    {
        if (query.InFull) return;
        MetricsLog.StandingQueryInFull(log, query.Text, reason);
        instruments.StandingRefused.Add(1, new KeyValuePair<string, object?>("cause", cause));
        Release(query);
        query.InFull = true;
        sessions.Changed(query);
    }

    /// <summary>An expression has another value.</summary>
    public void Publish(GroupQuery query, StandingValue value, long cause)
    {
        query.Current = value with { Version = query.Current.Version + 1, CauseReceivedUnixUs = cause };
        sessions.Changed(query);
    }

    /// <summary>Ends all watches of a session.</summary>
    public void End(GroupSession session)
    {
        foreach (var watch in session.Watches.Keys.ToArray()) End(session, watch);
        sessions.Close(session);
    }

    /// <summary>Ends a watch, and forgets the expression where it was the last one.</summary>
    public void End(GroupSession session, int watch)
    {
        if (!session.Watches.Remove(watch, out var query)) return;
        session.Forget(watch);
        query.Watches.Remove((session, watch));
        if (query.Watches.Count > 0) return;
        queries.Remove(query.Text);
        Release(query);
        query.InFull = true;
    }

    private GroupQuery Make(string text, HashSet<GroupLeaf> added)
    {
        var query = new GroupQuery(text);
        if (PromQlParser.TryParse(text, out var expr, out _))
        {
            var used = new HashSet<GroupLeaf>();
            query.Plan = compiler.Compile(expr, spec =>
            {
                if (!leaves.TryGetValue(spec.Key, out var leaf)) added.Add(leaf = MakeLeaf(spec));
                used.Add(leaf);
                return leaf.Selection;
            });
            // A part may have been found before the expression as a whole turned out to have no plan.
            foreach (var leaf in used) leaf.Queries.Add(query);
            query.Leaves = [.. used];
        }
        if (query.Plan is null)
        {
            Drop(query);
            query.InFull = true;
            return query;
        }
        instruments.StandingExpressions.Add(1);
        budget.Enter();
        return query;
    }

    private GroupLeaf MakeLeaf(SelectionSpec spec)
    {
        var job = spec.Matchers.FirstOrDefault(m => m is { Name: GrainKeys.JobLabel, Kind: MatchKind.Equal, Value.Length: > 0 });
        var leaf = new GroupLeaf(++nextLeaf, new StandingSelection(spec, memory), job?.Value);
        leaves.Add(spec.Key, leaf);
        leafById.Add(leaf.Id, leaf);
        for (var i = 0; i < known.Grains.Length; i++) Follow(leaf, known.Grains[i], known.Services[i]);
        return leaf;
    }

    private void Follow(GroupLeaf leaf, string grain, string service)
    {
        if (leaf.Service is not null && leaf.Service != service) return;
        if (!sources.TryGetValue(grain, out var source)) sources.Add(grain, source = new GroupSource(grain));
        source.Leaves.Add(leaf);
        if (leaf.Sources.Add(source)) leaf.Missing.Add(source);
    }

    private void Insert(SelectedWindow window, long time, double value)
    {
        if (!leaves.TryGetValue(window.Selection.Spec.Key, out var leaf) || leaf.Selection != window.Selection) return;
        if (!window.Selection.Insert(window, time, value))
        {
            InFull(leaf, "memory", NoRoom);
            return;
        }
        if (leaf.Touched) return;
        leaf.Touched = true;
        Touched.Add(leaf);
    }

    private void Release(GroupQuery query)
    {
        if (query.Plan is null) return;
        instruments.StandingExpressions.Add(-1);
        budget.Leave();
        Drop(query);
        query.Plan = null;
    }

    private void Drop(GroupQuery query)
    {
        foreach (var leaf in query.Leaves)
        {
            leaf.Queries.Remove(query);
            if (leaf.Queries.Count > 0) continue;
            leaves.Remove(leaf.Selection.Spec.Key);
            leafById.Remove(leaf.Id);
            leaf.Selection.Release();
            foreach (var source in leaf.Sources)
            {
                source.Leaves.Remove(leaf);
                source.Removed.Add(leaf.Id);
            }
        }
        query.Leaves = [];
    }
}
