using System.Buffers;
using Google.Protobuf;
using Vigil.Metrics.Api;
using Vigil.Metrics.V1;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

public sealed class PushDecoderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Read_RandomMessages_IsWhatTheGeneratedParserReads(int seed)
    {
        var random = new Random(seed);
        for (var round = 0; round < 1_000; round++)
        {
            var bytes = RandomMessage(random);
            Assert.True(Same(bytes, random), Convert.ToHexString(bytes));
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public void Read_DamagedMessages_IsWhatTheGeneratedParserReadsOrBothRefuse(int seed)
    {
        var random = new Random(seed);
        var (taken, refused) = (0, 0);
        for (var round = 0; round < 5_000; round++)
        {
            var bytes = Damage(RandomMessage(random), random);
            if (Same(bytes, random)) taken++;
            else refused++;
        }
        // Damage that is always seen, or never, would prove nothing.
        Assert.InRange(taken, 500, 4_500);
        Assert.InRange(refused, 500, 4_500);
    }

    [Fact]
    public void Read_EveryTruncation_IsWhatTheGeneratedParserReadsOrBothRefuse()
    {
        var frame = new Frame { Sequence = 300, BaseTimeUnixMs = -1, SeriesIds = { 1, 300, uint.MaxValue }, TimeOffsetsMs = { 0, long.MinValue, 7 }, Values = { 1, double.NaN, -0.0 } };
        var bytes = new PushRequest { Frame = frame }.ToByteArray();
        Assert.True(Same(bytes, new Random(1)));
        for (var length = 0; length < bytes.Length; length++) Assert.Equal(length == 0, Same(bytes[..length], new Random(length)));
        // The same with an outer length that agrees, so that the cut is inside.
        var inner = frame.ToByteArray();
        for (var length = 0; length < inner.Length; length++) Same(Field(PushRequest.FrameFieldNumber, inner[..length]), new Random(length));
    }

    [Fact]
    public void Read_OpenAndDeclare_AreTheGeneratedMessages()
    {
        var open = new Open { StreamId = "s", Labels = { ["job"] = "api" } };
        var declare = new Declare { Series = { new SeriesDeclaration { Id = 1, Name = "up" } } };
        Assert.Equal(new PushMessage(open, null, null), Decode(new PushRequest { Open = open }.ToByteArray()));
        Assert.Equal(new PushMessage(null, declare, null), Decode(new PushRequest { Declare = declare }.ToByteArray()));
        Assert.Equal(new PushMessage(null, null, null), Decode([]));
    }

    [Theory]
    [InlineData(MetricsOptions.MostSamplesPerFrame, MetricsOptions.MostSamplesPerFrame)]
    [InlineData(MetricsOptions.MostSamplesPerFrame + 1, 0)]
    public void Read_MoreThanAnyLimitAllows_IsCountedAndNotKept(int sent, int kept)
    {
        var frame = new Frame();
        frame.SeriesIds.AddRange(Enumerable.Repeat(1u, sent));
        frame.TimeOffsetsMs.AddRange(Enumerable.Repeat(1L, sent));
        frame.Values.AddRange(Enumerable.Repeat(1.0, sent));
        var read = Decode(new PushRequest { Frame = frame }.ToByteArray()).Frame!;
        Assert.Equal((sent, sent, sent), (read.SeriesIds.Count, read.TimeOffsetsMs.Count, read.Values.Count));
        Assert.Equal((kept, kept, kept), (read.SeriesIds.Values.Length, read.TimeOffsetsMs.Values.Length, read.Values.Values.Length));
        read.Return();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Read_Frames_AllocatesNothingPerSample(bool scattered)
    {
        const int Samples = 10_000;
        var frame = new Frame { Sequence = 1, BaseTimeUnixMs = 1 };
        for (var i = 0; i < Samples; i++)
        {
            frame.SeriesIds.Add((uint)i);
            frame.TimeOffsetsMs.Add(i);
            frame.Values.Add(i);
        }
        var bytes = new PushRequest { Frame = frame }.ToByteArray();
        var payload = scattered ? Scatter(bytes, new Random(1), 4_096) : new ReadOnlySequence<byte>(bytes);
        var least = long.MaxValue;
        for (var round = 0; round < 10; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            PushDecoder.Read(payload).Frame!.Return();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.InRange(least, 1, 400);
    }

    private static PushMessage Decode(byte[] bytes) => PushDecoder.Read(new ReadOnlySequence<byte>(bytes));

    /// <summary>True: both read the same. False: both refuse. All else fails the test.</summary>
    private static bool Same(byte[] bytes, Random random)
    {
        PushRequest? expected = null;
        try
        {
            expected = PushRequest.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            // To be refused by the other as well.
        }
        var payload = random.Next(2) == 0 ? new ReadOnlySequence<byte>(bytes) : Scatter(bytes, random, 40);
        if (expected is null)
        {
            Assert.Throws<InvalidProtocolBufferException>(() => PushDecoder.Read(payload));
            return false;
        }
        var read = PushDecoder.Read(payload);
        Assert.Equal(expected.Open, read.Open);
        Assert.Equal(expected.Declare, read.Declare);
        Assert.Equal(expected.Frame is null, read.Frame is null);
        if (read.Frame is not { } frame) return true;
        Assert.Equal((expected.Frame!.Sequence, expected.Frame.BaseTimeUnixMs), (frame.Sequence, frame.BaseTimeUnixMs));
        Assert.Equal(expected.Frame.SeriesIds, frame.SeriesIds.Values.ToArray());
        Assert.Equal(expected.Frame.TimeOffsetsMs, frame.TimeOffsetsMs.Values.ToArray());
        Assert.Equal(expected.Frame.Values.Select(BitConverter.DoubleToInt64Bits), frame.Values.Values.ToArray().Select(BitConverter.DoubleToInt64Bits));
        frame.Return();
        return true;
    }

    private static byte[] RandomMessage(Random random) => random.Next(20) switch
    {
        0 => new PushRequest { Open = new Open { StreamId = "s1", Labels = { ["job"] = "api" } } }.ToByteArray(),
        1 => new PushRequest { Declare = new Declare { Series = { new SeriesDeclaration { Id = 3, Name = "up", Labels = { new Label { Name = "a", Value = "b" } } } } } }.ToByteArray(),
        // Merged by parsers.
        2 => [.. Field(PushRequest.FrameFieldNumber, RandomFrame(random)), .. Field(PushRequest.FrameFieldNumber, RandomFrame(random))],
        3 => [.. Field(PushRequest.FrameFieldNumber, RandomFrame(random)), .. Field(99, [1, 2, 3])],
        4 or 5 or 6 or 7 => new PushRequest { Frame = Frame.Parser.ParseFrom(RandomFrame(random)) }.ToByteArray(),
        _ => Field(PushRequest.FrameFieldNumber, RandomFrame(random)),
    };

    /// <summary>A frame's fields in any order and number, in each form that the format has for them, and some that no contract knows.</summary>
    private static byte[] RandomFrame(Random random)
    {
        using var stream = new MemoryStream();
        using var output = new CodedOutputStream(stream);
        for (var fields = random.Next(8); fields > 0; fields--)
        {
            var count = random.Next(4) == 0 ? random.Next(300) : random.Next(4);
            switch (random.Next(10))
            {
                case 0:
                    output.WriteTag(Frame.SequenceFieldNumber, WireFormat.WireType.Varint);
                    output.WriteUInt64(Number(random));
                    break;
                case 1:
                    output.WriteTag(Frame.BaseTimeUnixMsFieldNumber, WireFormat.WireType.Varint);
                    output.WriteInt64((long)Number(random));
                    break;
                case 2:
                    Packed(output, Frame.SeriesIdsFieldNumber, count, o => o.WriteUInt32((uint)Number(random)));
                    break;
                case 3:
                    Packed(output, Frame.TimeOffsetsMsFieldNumber, count, o => o.WriteSInt64((long)Number(random)));
                    break;
                case 4:
                    Packed(output, Frame.ValuesFieldNumber, count, o => o.WriteFixed64((ulong)random.NextInt64()));
                    break;
                case 5:
                    // Sixty-four bits where thirty-two are read.
                    output.WriteTag(Frame.SeriesIdsFieldNumber, WireFormat.WireType.Varint);
                    output.WriteUInt64(Number(random));
                    break;
                case 6:
                    output.WriteTag(Frame.TimeOffsetsMsFieldNumber, WireFormat.WireType.Varint);
                    output.WriteSInt64((long)Number(random));
                    break;
                case 7:
                    output.WriteTag(Frame.ValuesFieldNumber, WireFormat.WireType.Fixed64);
                    output.WriteFixed64((ulong)random.NextInt64());
                    break;
                default:
                    Unknown(output, random);
                    break;
            }
        }
        output.Flush();
        return stream.ToArray();
    }

    private static void Unknown(CodedOutputStream output, Random random)
    {
        // Also the known numbers, in forms that are not theirs.
        var field = random.Next(2) == 0 ? random.Next(1, 6) : random.Next(6, 100_000);
        switch (random.Next(4))
        {
            case 0:
                output.WriteTag(random.Next(6, 100_000), WireFormat.WireType.Varint);
                output.WriteUInt64(Number(random));
                break;
            case 1:
                output.WriteTag(field, WireFormat.WireType.Fixed32);
                output.WriteFixed32((uint)random.Next());
                break;
            case 2:
                output.WriteTag(random.Next(6, 100_000), WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(new byte[random.Next(200)]));
                break;
            default:
                output.WriteTag(field, WireFormat.WireType.StartGroup);
                output.WriteTag(1, WireFormat.WireType.Varint);
                output.WriteUInt64(Number(random));
                output.WriteTag(field, WireFormat.WireType.EndGroup);
                break;
        }
    }

    private static void Packed(CodedOutputStream output, int field, int count, Action<CodedOutputStream> write)
    {
        using var stream = new MemoryStream();
        using var packed = new CodedOutputStream(stream);
        for (var i = 0; i < count; i++) write(packed);
        packed.Flush();
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(stream.ToArray()));
    }

    private static byte[] Field(int field, byte[] content)
    {
        using var stream = new MemoryStream();
        using var output = new CodedOutputStream(stream);
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(content));
        output.Flush();
        return stream.ToArray();
    }

    // As many short ones as long ones.
    private static ulong Number(Random random) => (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);

    private static byte[] Damage(byte[] bytes, Random random)
    {
        var damaged = new List<byte>(bytes);
        for (var times = random.Next(1, 4); times > 0 && damaged.Count > 0; times--)
        {
            var at = random.Next(damaged.Count);
            switch (random.Next(5))
            {
                case 0:
                    damaged[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    damaged[at] = (byte)(random.Next(2) == 0 ? 0xff : random.Next(256));
                    break;
                case 2:
                    damaged.Insert(at, (byte)random.Next(256));
                    break;
                case 3:
                    damaged.RemoveAt(at);
                    break;
                default:
                    damaged.RemoveRange(at, damaged.Count - at);
                    break;
            }
        }
        // Half of them with an outer length that agrees, so that the damage is met inside.
        return random.Next(2) == 0 || damaged.Count < 3 ? [.. damaged] : Field(PushRequest.FrameFieldNumber, [.. damaged.Skip(damaged.Count > 130 ? 3 : 2)]);
    }

    private static ReadOnlySequence<byte> Scatter(byte[] bytes, Random random, int most)
    {
        var first = new Segment(default, 0);
        var last = first;
        for (var at = 0; at < bytes.Length;)
        {
            var length = Math.Min(random.Next(1, most), bytes.Length - at);
            last = last.Add(bytes.AsMemory(at, length));
            at += length;
        }
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Segment Add(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
