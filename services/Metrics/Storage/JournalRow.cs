using System.Threading.Tasks.Sources;

namespace Vigil.Metrics.Storage;

/// <summary>What a journal row holds.</summary>
internal enum JournalKind
{
    /// <summary>Series declarations.</summary>
    Declarations = 1,

    /// <summary>Samples.</summary>
    Samples = 2,

    /// <summary>Samples whose values are increases.</summary>
    Deltas = 3,

    /// <summary>Native histograms.</summary>
    Histograms = 4,

    /// <summary>Native histograms that are increases.</summary>
    HistogramDeltas = 5,
}

/// <summary>
/// One change to one grain, as it is made durable before it is applied. May be filled and appended again once the task that
/// <see cref="Journal.AppendAsync"/> returned was awaited and gave no error.
/// </summary>
/// <param name="grain">Key of the grain.</param>
internal sealed class JournalRow(string grain) : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> durable = new() { RunContinuationsAsynchronously = true };

    public string Grain => grain;

    /// <summary>Counts up by one within the grain. Two activations of one grain collide on it, and the stale one fails.</summary>
    public long No { get; set; }

    /// <summary>How to read <see cref="Data"/>.</summary>
    public JournalKind Kind { get; set; }

    /// <summary>The push stream it came by, or empty.</summary>
    public string Stream { get; set; } = "";

    /// <summary>The frame's number in that stream, or 0.</summary>
    public ulong Sequence { get; set; }

    /// <summary>See <see cref="Series.JournalCodec"/>. Must stay as it is until the row is durable.</summary>
    public ReadOnlyMemory<byte> Data { get; set; }

    /// <summary>The rows it counts on.</summary>
    internal JournalLine Line { get; private set; } = null!;

    /// <summary>Ends once the row is durable or cannot be: to be awaited once.</summary>
    internal ValueTask Durable => new(this, durable.Version);

    internal void Begin(JournalLine line)
    {
        Line = line;
        durable.Reset();
    }

    internal void Succeed() => durable.SetResult(true);

    internal void Fail(JournalException failure) => durable.SetException(failure);

    void IValueTaskSource.GetResult(short token) => durable.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => durable.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        durable.OnCompleted(continuation, state, token, flags);
}
