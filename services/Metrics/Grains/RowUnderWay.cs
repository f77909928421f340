using System.Buffers;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>A row from being filled until it is applied, and what became of its samples. Used again by its grain.</summary>
/// <param name="grain">Key of the grain.</param>
internal sealed class RowUnderWay(string grain)
{
    private byte[]? rented;
    private TaskCompletionSource? applied;
    private Exception? failure;

    public JournalRow Row { get; } = new(grain);

    public AppendTally Tally { get; } = new();

    /// <summary>When the samples reached the service, microseconds since 1970.</summary>
    public long ReceivedUnixUs { get; set; }

    /// <summary>It survives a crash.</summary>
    public bool IsDurable { get; set; }

    /// <summary>Its effect is in memory.</summary>
    public bool IsApplied { get; private set; }

    /// <summary>Ends once the row is applied or cannot be. Any number may await it, also after <see cref="Clear"/>.</summary>
    public Task WhenApplied => IsApplied ? Task.CompletedTask
        : failure is not null ? Task.FromException(failure)
        : (applied ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>An array for the row's data, which <see cref="Clear"/> gives back.</summary>
    public byte[] Rent(int length) => rented = ArrayPool<byte>.Shared.Rent(length);

    /// <summary>Its effect is in memory now.</summary>
    public void Applied()
    {
        IsApplied = true;
        applied?.SetResult();
    }

    /// <summary>It will not be applied.</summary>
    public void Fail(Exception cause)
    {
        failure = cause;
        applied?.SetException(cause);
    }

    /// <summary>Makes it ready for other samples.</summary>
    public void Clear()
    {
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        (rented, applied) = (null, null);
        (IsDurable, IsApplied) = (false, false);
        Row.Data = default;
        Tally.Clear();
    }
}
