using System.Buffers;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Api;

/// <summary>
/// Reads the messages of a push stream. Frames as every sender writes them go straight into columns from a pool, so that no sample
/// costs an allocation. All else is left to the generated parser: the other messages, frames of an unusual though legal form
/// (merged from several fields, with groups), and what is broken, which it names better.
/// </summary>
internal static class PushDecoder
{
    private const byte FrameTag = Frame | LengthDelimited;
    private const int Frame = PushRequest.FrameFieldNumber << 3;
    private const int Fixed64 = 1;
    private const int LengthDelimited = 2;

    /// <exception cref="Google.Protobuf.InvalidProtocolBufferException">The bytes are no <see cref="PushRequest"/>.</exception>
    public static PushMessage Read(ReadOnlySequence<byte> payload)
    {
        var frame = payload.IsSingleSegment ? TryReadFrame(payload.FirstSpan) : TryReadScattered(payload);
        return frame ?? PushMessage.Of(PushRequest.Parser.ParseFrom(payload));
    }

    private static PushMessage? TryReadScattered(ReadOnlySequence<byte> payload)
    {
        var length = (int)payload.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            payload.CopyTo(buffer);
            return TryReadFrame(buffer.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static PushMessage? TryReadFrame(ReadOnlySpan<byte> message)
    {
        if (message is not [FrameTag, ..]) return null;
        var input = new WireReader(message[1..]);
        if (!input.TryBytes(out var bytes) || !input.IsAtEnd) return null;
        var frame = new FrameColumns();
        if (TryRead(new WireReader(bytes), frame)) return new PushMessage(null, null, frame);
        frame.Return();
        return null;
    }

    private static bool TryRead(WireReader input, FrameColumns frame)
    {
        const int Sequence = V1.Frame.SequenceFieldNumber << 3;
        const int SeriesIds = V1.Frame.SeriesIdsFieldNumber << 3;
        const int BaseTime = V1.Frame.BaseTimeUnixMsFieldNumber << 3;
        const int TimeOffsets = V1.Frame.TimeOffsetsMsFieldNumber << 3;
        const int Values = V1.Frame.ValuesFieldNumber << 3;
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            ulong number;
            ReadOnlySpan<byte> bytes;
            switch (tag)
            {
                case Sequence when input.TryVarint(out number):
                    frame.Sequence = number;
                    break;
                case BaseTime when input.TryVarint(out number):
                    frame.BaseTimeUnixMs = (long)number;
                    break;
                case SeriesIds | LengthDelimited when input.TryBytes(out bytes) && TryReadNumbers(bytes, frame.SeriesIds):
                case TimeOffsets | LengthDelimited when input.TryBytes(out bytes) && TryReadOffsets(bytes, frame.TimeOffsetsMs):
                case Values | LengthDelimited when input.TryBytes(out bytes) && TryReadDoubles(bytes, frame.Values):
                    break;
                // Not packed, as senders may write them too.
                case SeriesIds when input.TryVarint(out number):
                    frame.SeriesIds.Add((uint)number);
                    break;
                case TimeOffsets when input.TryVarint(out number):
                    frame.TimeOffsetsMs.Add(WireReader.UnZigZag(number));
                    break;
                case Values | Fixed64 when input.TryDouble(out var value):
                    frame.Values.Add(value);
                    break;
                // Of a newer contract.
                case > (Values | 7) and <= uint.MaxValue when input.TrySkip((int)(tag & 7)):
                    break;
                default:
                    return false;
            }
        }
        return true;
    }

    private static bool TryReadNumbers(ReadOnlySpan<byte> packed, Column<uint> column)
    {
        var room = column.Extend(WireReader.CountVarints(packed));
        var input = new WireReader(packed);
        for (var i = 0; i < room.Length; i++)
        {
            if (!input.TryVarint(out var number)) return false;
            room[i] = (uint)number;
        }
        return IsRead(input, column);
    }

    private static bool TryReadOffsets(ReadOnlySpan<byte> packed, Column<long> column)
    {
        var room = column.Extend(WireReader.CountVarints(packed));
        var input = new WireReader(packed);
        for (var i = 0; i < room.Length; i++)
        {
            if (!input.TryVarint(out var number)) return false;
            room[i] = WireReader.UnZigZag(number);
        }
        return IsRead(input, column);
    }

    private static bool TryReadDoubles(ReadOnlySpan<byte> packed, Column<double> column)
    {
        if (packed.Length % sizeof(double) != 0) return false;
        var room = column.Extend(packed.Length / sizeof(double));
        var input = new WireReader(packed);
        for (var i = 0; i < room.Length; i++) input.TryDouble(out room[i]);
        return IsRead(input, column);
    }

    // What is too much is counted and not looked at.
    private static bool IsRead<T>(WireReader input, Column<T> column) where T : unmanaged => input.IsAtEnd || column.IsTooLong;
}
