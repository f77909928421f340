using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>Stores what one remote write request holds: declares the series that are new, hands each grain its samples, and says what was refused.</summary>
internal sealed class RemoteWriteSession(
    RemoteWriteRequest request, SeriesCache cache, SeriesRouter router, SeriesRules rules, MetricsOptions options, MetricsInstruments instruments, long receivedUnixUs)
{
    private const int MaxSeriesLength = 256;

    private readonly HashSet<int> forgotten = [];

    /// <summary>What became of it.</summary>
    public WriteOutcome Outcome { get; } = new();

    /// <summary>Returns once everything that was not refused is durable.</summary>
    /// <exception cref="ServiceDefaults.RefusalException">A grain cannot be reached for the moment: the request must be sent again.</exception>
    public async Task StoreAsync()
    {
        await DeclareAsync().ConfigureAwait(false);
        await AppendAsync(again: false).ConfigureAwait(false);
        if (forgotten.Count == 0) return;
        // Series that expired since they were last written: they are declared once more.
        request.Clear();
        foreach (var place in forgotten) request.Unknown.Add(request.Look(place));
        await DeclareAsync().ConfigureAwait(false);
        await AppendAsync(again: true).ConfigureAwait(false);
    }

    private async Task DeclareAsync()
    {
        if (request.Unknown.Count == 0) return;
        var specs = new List<SeriesSpec>(request.Unknown.Count);
        var asked = new List<UnknownSeries>(request.Unknown.Count);
        foreach (var unknown in request.Unknown)
        {
            if (Describe(unknown) is not { } spec) continue;
            specs.Add(spec);
            asked.Add(unknown);
        }
        if (specs.Count == 0) return;
        var routed = await router.DeclareAsync(specs).ConfigureAwait(false);
        for (var i = 0; i < routed.Length; i++)
        {
            if (routed[i].LimitHit is { } limit)
            {
                Refuse(asked[i], specs[i].Labels.ToString(), RefusalCause.SeriesLimit, limit);
                continue;
            }
            if (asked[i].Key is { } key) cache.Add(key, routed[i].Grain, routed[i].Id);
            request.Take(asked[i], new CachedSeries(cache.Target(routed[i].Grain), routed[i].Id));
        }
    }

    // Null where it is refused.
    private SeriesSpec? Describe(UnknownSeries unknown)
    {
        var labels = new List<Label>();
        if (!request.TryDescribe(unknown.Place, labels, out var kind, out var help, out var unit, out var unreadable))
        {
            Refuse(unknown, Text(labels), RefusalCause.BadLabel, unreadable);
            return null;
        }
        var at = labels.FindIndex(l => l.Name == LabelSet.NameLabel);
        var name = at < 0 ? "" : labels[at].Value;
        if (at >= 0) labels.RemoveAt(at);
        if (rules.Check(name, labels) is { } fault)
        {
            Refuse(unknown, Text(at < 0 ? labels : [new Label(LabelSet.NameLabel, name), .. labels]), fault.Cause, fault.Detail);
            return null;
        }
        labels.Add(new Label(LabelSet.NameLabel, name));
        return new SeriesSpec { Labels = LabelSet.Create(labels), Kind = kind, Unit = Cut(unit, 63), Help = Cut(help, 1024) };
    }

    private async Task AppendAsync(bool again)
    {
        await AppendStartsAsync().ConfigureAwait(false);
        await AppendHistogramsAsync(again).ConfigureAwait(false);
        // One grain is the rule: then nothing is gathered.
        if (request.Columns.Count == 1)
        {
            Settle(request.Columns[0], await AppendAsync(request.Columns[0]).ConfigureAwait(false), again);
            return;
        }
        var replies = await Task.WhenAll(request.Columns.Select(AppendAsync)).ConfigureAwait(false);
        for (var i = 0; i < replies.Length; i++) Settle(request.Columns[i], replies[i], again);
    }

    private Task<AppendReply> AppendAsync(WriteColumns columns) =>
        columns.Count == 0 ? Task.FromResult(new AppendReply()) : router.AppendAsync(columns.Target.Grain, columns.ToBatch(Door.RemoteWrite, receivedUnixUs));

    // So that what a counter had counted at its first sample shows as an increase. Where it is known, or too long ago, nothing is lost.
    private async Task AppendStartsAsync()
    {
        if (request.Starts.Count == 0) return;
        await Task.WhenAll(request.Starts.GroupBy(s => s.Series.Target).Select(group =>
        {
            var starts = group.ToArray();
            return router.AppendAsync(group.Key.Grain, new AppendBatch
            {
                Count = starts.Length,
                Series = Array.ConvertAll(starts, s => s.Series.Id),
                Times = Array.ConvertAll(starts, s => s.TimeMs),
                Values = new double[starts.Length],
                ReceivedUnixUs = receivedUnixUs,
                Door = Door.RemoteWrite,
                Implied = true,
            });
        })).ConfigureAwait(false);
        foreach (var start in request.Starts) cache.Started(start.Key, start.Series, start.TimeMs);
    }

    private async Task AppendHistogramsAsync(bool again)
    {
        if (request.Histograms.Count == 0) return;
        var read = new List<(WrittenHistogram Written, long Time, byte[] Data)>(request.Histograms.Count);
        foreach (var written in request.Histograms)
        {
            if (RemoteWriteHistograms.TryRead(request.BytesOf(written), out var time, out var histogram, out var fault)) read.Add((written, time, HistogramCodec.Encode(histogram!)));
            else Refuse(new UnknownSeries(written.Place, null, 0, 1), Text(written.Place), RefusalCause.BadHistogram, fault);
        }
        await Task.WhenAll(read.GroupBy(r => r.Written.Series.Target).Select(async group =>
        {
            var rows = group.ToArray();
            var reply = await router.AppendAsync(group.Key.Grain, new AppendBatch
            {
                Count = rows.Length,
                Series = Array.ConvertAll(rows, r => r.Written.Series.Id),
                Times = Array.ConvertAll(rows, r => r.Time),
                Values = [],
                Histograms = Array.ConvertAll(rows, r => r.Data),
                ReceivedUnixUs = receivedUnixUs,
                Door = Door.RemoteWrite,
            }).ConfigureAwait(false);
            lock (Outcome)
            {
                Outcome.Histograms += reply.Accepted + reply.Duplicates;
                Settle(reply, Array.ConvertAll(rows, r => r.Written.Series.Id), Array.ConvertAll(rows, r => r.Written.Place), again);
            }
        })).ConfigureAwait(false);
    }

    private void Settle(WriteColumns columns, AppendReply reply, bool again)
    {
        Outcome.Samples += reply.Accepted + reply.Duplicates;
        Settle(reply, columns.Series, columns.Places, again);
        columns.Return();
    }

    private void Settle(AppendReply reply, ReadOnlySpan<int> series, ReadOnlySpan<int> places, bool again)
    {
        foreach (var refused in reply.Refused)
        {
            if (refused.Cause == RefusalCause.UndeclaredSeries && !again)
            {
                for (var i = 0; i < series.Length; i++)
                {
                    if (series[i] == refused.Series) forgotten.Add(places[i]);
                }
                continue;
            }
            Outcome.Refuse(Text(places[series.IndexOf(refused.Series)]), refused.Cause, refused.Cause.Describe(options), refused.Samples);
        }
    }

    private void Refuse(UnknownSeries series, string text, RefusalCause cause, string detail)
    {
        var count = series.Samples + series.Histograms;
        instruments.Refuse(Door.RemoteWrite, cause, count);
        Outcome.Refuse(text, cause, detail, count);
    }

    private string Text(int place)
    {
        var labels = new List<Label>();
        request.TryDescribe(place, labels, out _, out _, out _, out _);
        return Text(labels);
    }

    // As it was sent, however wrong: so that its sender finds it.
    private static string Text(List<Label> labels)
    {
        var name = labels.Find(l => l.Name == LabelSet.NameLabel).Value;
        var rest = labels.Where(l => l.Name != LabelSet.NameLabel).Select(l => $"{LabelNames.Write(l.Name)}={GoText.Quote(l.Value)}");
        var quoted = name is { Length: > 0 } && !LabelNames.IsLegacyMetric(name);
        var text = quoted ? $"{{{string.Join(',', rest.Prepend(GoText.Quote(name)))}}}" : $"{name}{{{string.Join(',', rest)}}}";
        return text.Length <= MaxSeriesLength ? text : string.Concat(text.AsSpan(0, MaxSeriesLength - 1), "…");
    }

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];
}
