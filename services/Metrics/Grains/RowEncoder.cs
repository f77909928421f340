using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>Makes a batch of samples a row of the journal.</summary>
internal static class RowEncoder
{
    /// <summary>Checks what does not depend on the order of rows, and packs the rest.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="work">Gets the row, and the tally of what was refused.</param>
    /// <param name="table">The series that are declared.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="options">How far ahead and how old samples may be.</param>
    public static void Encode(AppendBatch batch, RowUnderWay work, SeriesTable table, long now, MetricsOptions options)
    {
        var newest = now + (long)options.MaxAhead.TotalMilliseconds;
        var oldest = now - (long)options.Retention.Raw.TotalMilliseconds;
        var histograms = batch.Histograms;
        var buffer = work.Buffer(histograms is null ? JournalCodec.HeaderBytes + batch.Count * JournalCodec.MaxSampleBytes : JournalCodec.HeaderBytes + histograms.Sum(h => h.Length + HistogramRows.MaxOverhead));
        var length = histograms is null ? JournalCodec.WriteHeader(buffer) : HistogramRows.WriteHeader(buffer);
        var previousId = 0;
        long previousTime = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            var (id, time) = (batch.Series[i], batch.Times[i]);
            if (!table.TryFind(id, out _)) work.Tally.Refuse(id, RefusalCause.UndeclaredSeries);
            else if (time > newest) work.Tally.Refuse(id, RefusalCause.TooFarAhead);
            else if (time < oldest) work.Tally.Refuse(id, RefusalCause.TooOld);
            else if (histograms is not null) length = HistogramRows.Write(buffer, length, id, time, histograms[i], ref previousId, ref previousTime);
            else length = JournalCodec.WriteSample(buffer, length, id, time, batch.Values[i], ref previousId, ref previousTime);
        }
        work.Row.Kind = (histograms is not null, batch.Deltas) switch
        {
            (true, true) => JournalKind.HistogramDeltas,
            (true, false) => JournalKind.Histograms,
            (false, true) => JournalKind.Deltas,
            _ => JournalKind.Samples,
        };
        work.Row.Stream = batch.StreamId;
        work.Row.Sequence = batch.Sequence;
        work.Row.Data = buffer.AsMemory(0, length);
        work.ReceivedUnixUs = batch.ReceivedUnixUs;
        work.Door = batch.Door;
        work.Implied = batch.Implied;
    }
}
