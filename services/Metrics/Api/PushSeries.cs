using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using Label = Vigil.Metrics.Series.Label;
using SeriesKind = Vigil.Metrics.Series.SeriesKind;

namespace Vigil.Metrics.Api;

/// <summary>A grain that series of a stream live in.</summary>
internal sealed class PushTarget(string key, IMonitoredServiceGrain grain)
{
    public string Key => key;

    public IMonitoredServiceGrain Grain => grain;

    /// <summary>The newest frame sent to it.</summary>
    public ulong LastSequence { get; set; }

    /// <summary>Series by the grain's numbers, to name what is refused: written by the loop that reads, read by the one that answers.</summary>
    public ConcurrentDictionary<int, PushedSeries> ById { get; } = [];

    /// <summary>What the frame being taken apart has for this grain.</summary>
    public SampleColumns? Columns { get; set; }
}

/// <summary>A series declared on a stream.</summary>
internal sealed record PushedSeries(uint Number, LabelSet Labels, SeriesKind Kind, PushTarget Target, int Id);

/// <summary>The series that one push stream has declared, by the caller's numbers.</summary>
internal sealed class PushSeries(SeriesRouter router, SeriesRules rules, PushCallers.PushCaller caller, MetricsOptions options)
{
    // Dense numbers, which callers are advised to use, find their series by index.
    private readonly Dictionary<uint, PushedSeries> sparse = [];
    private readonly Dictionary<string, PushTarget> targets = new(StringComparer.Ordinal);
    private PushedSeries?[] dense = new PushedSeries?[64];
    private readonly ConcurrentQueue<PushedSeries> forgotten = new();
    private int count;

    /// <summary>The grains in use.</summary>
    public Dictionary<string, PushTarget>.ValueCollection Targets => targets.Values;

    public bool TryFind(uint number, [NotNullWhen(true)] out PushedSeries? series)
    {
        series = number < (uint)dense.Length ? dense[number] : null;
        return series is not null || (sparse.Count > 0 && sparse.TryGetValue(number, out series));
    }

    /// <summary>The grain does not know the series any more: it must be declared again. May be called while another thread reads the stream.</summary>
    public void Forget(PushedSeries series) => forgotten.Enqueue(series);

    /// <summary>Lets go of what <see cref="Forget"/> was told. Called by the loop that reads, which alone changes the tables.</summary>
    public void DropForgotten()
    {
        while (forgotten.TryDequeue(out var series))
        {
            // Told several times where several frames were under way; or declared again since.
            if (!TryFind(series.Number, out var known) || !ReferenceEquals(known, series)) continue;
            if (series.Number < (uint)dense.Length) dense[series.Number] = null;
            sparse.Remove(series.Number);
            count--;
            caller.Remove();
        }
    }

    /// <summary>Declares series; returns what was refused.</summary>
    public async Task<RefusalList> DeclareAsync(Declare declare, IReadOnlyDictionary<string, string> shared)
    {
        var refusals = new RefusalList();
        var accepted = new List<(uint Number, SeriesSpec Spec)>();
        foreach (var declaration in declare.Series)
        {
            if (Check(declaration, shared, accepted.Count, refusals) is { } spec) accepted.Add((declaration.Id, spec));
        }
        if (accepted.Count == 0) return refusals;
        var routed = await router.DeclareAsync([.. accepted.Select(a => a.Spec)]).ConfigureAwait(false);
        for (var i = 0; i < routed.Length; i++)
        {
            var (number, spec) = accepted[i];
            if (routed[i].LimitHit is { } limit) refusals.Add(number, spec.Labels.ToString(), RefusalReason.SeriesLimit, limit);
            else if (Add(number, spec, routed[i])) continue;
            caller.Remove();
        }
        return refusals;
    }

    // Null where it is refused, or declared already.
    private SeriesSpec? Check(SeriesDeclaration declaration, IReadOnlyDictionary<string, string> shared, int pending, RefusalList refusals)
    {
        var (number, name) = (declaration.Id, declaration.Name);
        if (number == 0) return Refuse(name, RefusalReason.ConflictingDeclaration, "series.id: numbers count from 1");
        var labels = new List<Label>(declaration.Labels.Count + shared.Count);
        foreach (var label in declaration.Labels) labels.Add(Named(label.Name, label.Value));
        foreach (var (key, value) in shared)
        {
            var label = Named(key, value);
            if (!labels.Exists(l => l.Name == label.Name)) labels.Add(label);
        }
        if (rules.Check(name, labels) is { } fault) return Refuse(name, fault.Cause.ToReason(), fault.Detail);
        labels.Add(new Label(LabelSet.NameLabel, name));
        var set = LabelSet.Create(labels);
        var kind = declaration.Kind.ToDomain();
        if (TryFind(number, out var known))
        {
            return known.Labels.Equals(set) && known.Kind == kind
                ? null
                : Refuse(set.ToString(), RefusalReason.ConflictingDeclaration, $"number {number} is declared as another series, of kind {known.Kind}: {known.Labels}");
        }
        if (count + pending >= options.MaxSeriesPerStream)
            return Refuse(set.ToString(), RefusalReason.SeriesLimit, $"the stream has {count + pending} series, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxSeriesPerStream)})");
        if (!caller.TryAdd()) return Refuse(set.ToString(), RefusalReason.SeriesLimit, caller.Limit);
        return new SeriesSpec { Labels = set, Kind = kind, Unit = Cut(declaration.Unit, 63), Help = Cut(declaration.Help, 1024) };

        SeriesSpec? Refuse(string series, RefusalReason reason, string detail)
        {
            refusals.Add(number, series, reason, detail);
            return null;
        }
    }

    private bool Add(uint number, SeriesSpec spec, RoutedSeries routed)
    {
        // Given twice in one message: the first stands.
        if (TryFind(number, out _)) return false;
        if (!targets.TryGetValue(routed.Grain, out var target)) targets.Add(routed.Grain, target = new PushTarget(routed.Grain, router.Grain(routed.Grain)));
        var series = new PushedSeries(number, spec.Labels, spec.Kind, target, routed.Id);
        target.ById[routed.Id] = series;
        count++;
        if (number < 2 * (uint)options.MaxSeriesPerStream)
        {
            if (number >= (uint)dense.Length) Array.Resize(ref dense, (int)Math.Max(number + 1, dense.Length * 2));
            dense[number] = series;
            return true;
        }
        sparse[number] = series;
        return true;
    }

    // OpenTelemetry's name of what Prometheus calls job.
    private static Label Named(string name, string value) => new(name == "service.name" ? GrainKeys.JobLabel : name, value);

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];
}
