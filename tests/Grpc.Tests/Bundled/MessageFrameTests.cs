using System.Buffers;
using System.IO.Pipelines;
using Grpc.Core.Internal;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

public sealed class MessageFrameTests
{
    [Fact]
    public void Fuzz_ValidFramesInRandomPieces_SameMessages()
    {
        var random = new Random(20260105);
        for (var round = 0; round < 2_000; round++)
        {
            var messages = Enumerable.Range(0, random.Next(1, 8)).Select(_ =>
            {
                var payload = new byte[random.Next(4) == 0 ? random.Next(5_000) : random.Next(40)];
                random.NextBytes(payload);
                return (Compressed: random.Next(2) == 1, Payload: payload);
            }).ToArray();
            var bytes = messages.SelectMany(m => Server.Wire.Frame(m.Payload, m.Compressed ? (byte)1 : (byte)0)).ToArray();

            var read = ReadAll(bytes, random, null, out var result);
            Assert.Equal(FrameResult.Incomplete, result.Last);
            Assert.Equal(0, result.Unread);
            Assert.Equal(messages.Length, read.Count);
            for (var i = 0; i < messages.Length; i++)
            {
                Assert.Equal(messages[i].Compressed, read[i].Compressed);
                Assert.Equal(messages[i].Payload, read[i].Payload);
            }
        }
    }

    [Fact]
    public void Fuzz_RandomBytes_MessagesOrACleanRefusalNeverMore()
    {
        var random = new Random(7);
        for (var round = 0; round < 5_000; round++)
        {
            var bytes = new byte[random.Next(0, 200)];
            random.NextBytes(bytes);
            // Mostly plausible: otherwise nearly every round ends at the first flag.
            for (var i = 0; i < bytes.Length; i++)
                if (random.Next(3) != 0) bytes[i] = (byte)random.Next(0, 3);
            var read = ReadAll(bytes, random, 100, out var result);
            Assert.All(read, m => Assert.True(m.Payload.Length <= 100));
            var taken = read.Sum(m => 5 + m.Payload.Length);
            Assert.Equal(bytes.Length, taken + result.Unread);
            if (result.Last == FrameResult.BadFlag) Assert.True(bytes[taken] > 1);
        }
    }

    [Fact]
    public void Fuzz_MutatedFrames_NeverThrow()
    {
        var random = new Random(99);
        for (var round = 0; round < 5_000; round++)
        {
            var bytes = Server.Wire.Frame(new byte[random.Next(30)]).Concat(Server.Wire.Frame(new byte[random.Next(30)])).ToArray();
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            ReadAll(bytes[..random.Next(bytes.Length + 1)], random, 1_000, out _);
        }
    }

    [Theory]
    [InlineData(new byte[] { 2 }, nameof(FrameResult.BadFlag))]
    [InlineData(new byte[] { 255, 0, 0, 0, 0 }, nameof(FrameResult.BadFlag))]
    [InlineData(new byte[] { 0, 0, 0, 0, 11 }, nameof(FrameResult.TooLarge))]
    [InlineData(new byte[] { 0, 255, 255, 255, 255 }, nameof(FrameResult.TooLarge))]
    [InlineData(new byte[] { 0, 0, 0, 0, 10 }, nameof(FrameResult.Incomplete))]
    [InlineData(new byte[] { }, nameof(FrameResult.Incomplete))]
    [InlineData(new byte[] { 1, 0, 0, 0, 0 }, nameof(FrameResult.Message))]
    public void TryRead_Header_Judged(byte[] bytes, string expected) => Assert.Equal(expected, Read(bytes, 10).ToString());

    [Fact]
    public void TryRead_LengthOverTwoGigabytesWithoutLimit_TooLarge() => Assert.Equal(FrameResult.TooLarge, Read([0, 0x80, 0, 0, 0], null));

    private static FrameResult Read(byte[] bytes, int? max)
    {
        var buffer = new ReadOnlySequence<byte>(bytes);
        return MessageFrame.TryRead(ref buffer, max, out _, out _);
    }

    /// <summary>Feeds the bytes piece by piece, each in a segment of its own, as a transport would.</summary>
    private static List<(bool Compressed, byte[] Payload)> ReadAll(byte[] bytes, Random random, int? max, out (FrameResult Last, int Unread) result)
    {
        var messages = new List<(bool, byte[])>();
        var pieces = new List<byte[]>();
        var last = FrameResult.Incomplete;
        for (var at = 0; at < bytes.Length && last == FrameResult.Incomplete;)
        {
            var take = Math.Min(bytes.Length - at, random.Next(1, random.Next(2) == 0 ? 4 : 2_000));
            pieces.Add(bytes[at..(at + take)]);
            at += take;
            var buffer = Segments(pieces);
            while ((last = MessageFrame.TryRead(ref buffer, max, out var compressed, out var payload)) == FrameResult.Message) messages.Add((compressed, payload.ToArray()));
            pieces = buffer.IsEmpty ? [] : [buffer.ToArray()];
            if (last != FrameResult.Incomplete) pieces.Add(bytes[at..]);
        }
        result = (last, pieces.Sum(p => p.Length));
        return messages;
    }

    private static ReadOnlySequence<byte> Segments(List<byte[]> pieces)
    {
        var first = new Segment(pieces[0], null);
        var end = first;
        foreach (var piece in pieces.Skip(1)) end = new Segment(piece, end);
        return new ReadOnlySequence<byte>(first, 0, end, end.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, Segment? before)
        {
            Memory = bytes;
            if (before is null) return;
            before.Next = this;
            RunningIndex = before.RunningIndex + before.Memory.Length;
        }
    }
}
