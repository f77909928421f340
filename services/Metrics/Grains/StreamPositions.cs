using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>How far each push stream has come in a grain, the frames among it that are still on their way to the database. Batches of no stream have no position.</summary>
internal sealed class StreamPositions(MetricsOptions options)
{
    private readonly Dictionary<string, ulong> taken = new(StringComparer.Ordinal);

    /// <summary>Starts from what is stored.</summary>
    public void Restore(ServiceSeries state)
    {
        foreach (var (stream, position) in state.Streams) taken[stream] = position.Sequence;
    }

    /// <summary>The batch was taken before.</summary>
    public bool IsKnown(AppendBatch batch) => batch.StreamId.Length > 0 && taken.TryGetValue(batch.StreamId, out var last) && batch.Sequence <= last;

    /// <summary>Whether a batch that is not known may be taken. Forgets idle streams where there is no room for another.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="state">The state that remembers streams.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    public AppendStatus Check(AppendBatch batch, ServiceSeries state, long now)
    {
        if (batch.StreamId.Length == 0) return AppendStatus.Stored;
        var isOpen = taken.TryGetValue(batch.StreamId, out var last);
        if (batch.Previous > last) return AppendStatus.PredecessorMissing;
        return isOpen || taken.Count < options.MaxStreamsRemembered || ForgetIdle(state, now - (long)options.StreamMemory.TotalMilliseconds) ? AppendStatus.Stored : AppendStatus.TooManyStreams;
    }

    /// <summary>The batch is on its way.</summary>
    public void Take(AppendBatch batch)
    {
        if (batch.StreamId.Length > 0) taken[batch.StreamId] = batch.Sequence;
    }

    private bool ForgetIdle(ServiceSeries state, long idle)
    {
        foreach (var (stream, _) in state.Streams.Where(s => s.Value.SeenAt < idle).ToArray())
        {
            state.Streams.Remove(stream);
            taken.Remove(stream);
        }
        return taken.Count < options.MaxStreamsRemembered;
    }
}
