using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>How far one push stream has come in one grain.</summary>
/// <param name="Sequence">The newest frame whose samples are stored.</param>
/// <param name="SeenAt">Milliseconds since 1970 at which it was.</param>
internal readonly record struct StreamPosition(ulong Sequence, long SeenAt);

/// <summary>What became of the samples of one batch. Used again for the next one.</summary>
internal sealed class AppendTally
{
    private static readonly IReadOnlyDictionary<(int Series, RefusalCause Cause), int> None = new Dictionary<(int, RefusalCause), int>();

    private Dictionary<(int Series, RefusalCause Cause), int>? refused;

    /// <summary>Samples stored.</summary>
    public int Accepted { get; set; }

    /// <summary>Samples that were there already, with the same value.</summary>
    public int Duplicates { get; set; }

    /// <summary>Samples refused, by series and cause.</summary>
    public IReadOnlyDictionary<(int Series, RefusalCause Cause), int> Refused => refused ?? None;

    /// <summary>Counts a refused sample.</summary>
    public void Refuse(int series, RefusalCause cause)
    {
        refused ??= [];
        refused[(series, cause)] = refused.GetValueOrDefault((series, cause)) + 1;
    }

    /// <summary>Starts again from nothing.</summary>
    public void Clear() => (Accepted, Duplicates, refused) = (0, 0, null);
}

/// <summary>
/// All that one grain holds of a service: its series with their samples, and how far each push stream has come. Changes go in
/// as journal rows do, so that replaying the rows gives the same state; rows whose effect is there already change nothing.
/// </summary>
internal sealed class ServiceSeries
{
    /// <summary>The series.</summary>
    public SeriesTable Table { get; } = new();

    /// <summary>Positions of push streams by stream id.</summary>
    public Dictionary<string, StreamPosition> Streams { get; } = new(StringComparer.Ordinal);

    /// <summary>Number of the newest journal row that is applied.</summary>
    public long AppliedRow { get; private set; }

    /// <summary>Time of the newest sample, or <see cref="long.MinValue"/>.</summary>
    public long LastSampleTime { get; private set; } = long.MinValue;

    /// <summary>Starts after a checkpoint.</summary>
    public void StartAfter(long row) => AppliedRow = row;

    /// <summary>Takes note of a restored series.</summary>
    public void Restored(SeriesEntry entry) => LastSampleTime = Math.Max(LastSampleTime, entry.LastTime);

    /// <summary>Applies a row of declarations; a series that is there stays as it is.</summary>
    public void ApplyDeclarations(long row, ReadOnlySpan<byte> data, ICollection<SeriesEntry>? added)
    {
        foreach (var series in JournalCodec.ReadSeries(data))
        {
            if (Table.TryFind(series.Id, out _) || Table.Find(series.Labels) is not null) continue;
            var entry = Table.Add(series.Labels, series.Kind, series.Unit, series.Help, series.Id);
            added?.Add(entry);
        }
        AppliedRow = row;
    }

    /// <summary>Applies a row of samples.</summary>
    /// <param name="row">The row's number.</param>
    /// <param name="data">What <see cref="JournalCodec.WriteSample"/> wrote.</param>
    /// <param name="deltas">The values are increases.</param>
    /// <param name="stream">The stream it came by; empty for callers without one.</param>
    /// <param name="sequence">The frame's number in that stream.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="tally">Counts what became of each sample.</param>
    /// <param name="stored">Is told of each sample that is stored and has subscribers: its series, time and value; null when replaying.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void ApplySamples(
        long row, ReadOnlySpan<byte> data, bool deltas, string stream, ulong sequence, long now, AppendTally tally, Action<SeriesEntry, long, double?>? stored)
    {
        var reader = new SampleReader(data);
        while (reader.Next(out var id, out var time, out var value))
        {
            if (!Table.TryFind(id, out var entry))
            {
                tally.Refuse(id, RefusalCause.UndeclaredSeries);
                continue;
            }
            var outcome = deltas ? entry.AppendIncrease(time, value) : entry.Append(time, value);
            Count(outcome, entry, time, deltas ? entry.Samples.LastValue : value, tally, stored);
        }
        Applied(row, stream, sequence, now);
    }

    /// <summary>Applies a row of native histograms.</summary>
    /// <param name="row">The row's number.</param>
    /// <param name="data">What <see cref="HistogramRows"/> wrote.</param>
    /// <param name="deltas">They are increases.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="tally">Counts what became of each.</param>
    /// <param name="stored">As for samples; without a value.</param>
    /// <exception cref="InvalidDataException">The row is damaged.</exception>
    public void ApplyHistograms(long row, ReadOnlySpan<byte> data, bool deltas, long now, AppendTally tally, Action<SeriesEntry, long, double?>? stored)
    {
        var reader = new HistogramRowReader(data);
        while (reader.Next(out var id, out var time, out var histogram))
        {
            if (!Table.TryFind(id, out var entry))
            {
                tally.Refuse(id, RefusalCause.UndeclaredSeries);
                continue;
            }
            var buffer = entry.Histograms ??= new HistogramBuffer();
            Count(deltas ? buffer.AppendIncrease(time, histogram) : buffer.Append(time, histogram), entry, time, null, tally, stored);
        }
        Applied(row, "", 0, now);
    }

    private void Count(AppendOutcome outcome, SeriesEntry entry, long time, double? value, AppendTally tally, Action<SeriesEntry, long, double?>? stored)
    {
        switch (outcome)
        {
            case AppendOutcome.Stored:
                tally.Accepted++;
                if (time > LastSampleTime) LastSampleTime = time;
                if (stored is not null && entry.Subscribers is not null) stored(entry, time, value);
                break;
            case AppendOutcome.Duplicate:
                tally.Duplicates++;
                break;
            case AppendOutcome.Conflict:
                tally.Refuse(entry.Id, RefusalCause.ConflictingDuplicate);
                break;
            default:
                tally.Refuse(entry.Id, RefusalCause.TooOld);
                break;
        }
    }

    private void Applied(long row, string stream, ulong sequence, long now)
    {
        if (stream.Length > 0 && (!Streams.TryGetValue(stream, out var position) || sequence > position.Sequence))
            Streams[stream] = new StreamPosition(sequence, now);
        AppliedRow = row;
    }
}
