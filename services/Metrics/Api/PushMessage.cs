using Google.Protobuf.Collections;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Api;

/// <summary>A <see cref="PushRequest"/> as the service reads it: at most one of the three is there.</summary>
internal sealed record PushMessage(Open? Open, Declare? Declare, FrameColumns? Frame)
{
    /// <summary>The same, of a generated message.</summary>
    public static PushMessage Of(PushRequest request) => new(request.Open, request.Declare, request.Frame is { } frame ? FrameColumns.Of(frame) : null);
}

/// <summary>A <see cref="Frame"/> whose columns are from a pool.</summary>
internal sealed class FrameColumns
{
    public ulong Sequence { get; set; }

    public long BaseTimeUnixMs { get; set; }

    public Column<uint> SeriesIds { get; } = new();

    public Column<long> TimeOffsetsMs { get; } = new();

    public Column<double> Values { get; } = new();

    /// <summary>The same, of a generated message.</summary>
    public static FrameColumns Of(Frame frame)
    {
        var columns = new FrameColumns { Sequence = frame.Sequence, BaseTimeUnixMs = frame.BaseTimeUnixMs };
        Copy(frame.SeriesIds, columns.SeriesIds);
        Copy(frame.TimeOffsetsMs, columns.TimeOffsetsMs);
        Copy(frame.Values, columns.Values);
        return columns;
    }

    /// <summary>Gives the columns back to the pool: nothing of them may be read after that.</summary>
    public void Return()
    {
        SeriesIds.Return();
        TimeOffsetsMs.Return();
        Values.Return();
    }

    private static void Copy<T>(RepeatedField<T> from, Column<T> to) where T : unmanaged
    {
        var room = to.Extend(from.Count);
        for (var i = 0; i < room.Length; i++) room[i] = from[i];
    }
}
