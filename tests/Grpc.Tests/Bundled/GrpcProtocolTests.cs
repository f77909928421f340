using System.Text;
using Grpc.Core;
using Grpc.Core.Internal;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

public sealed class GrpcProtocolTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain text ~", "plain text ~")]
    [InlineData("100%", "100%25")]
    [InlineData("a\nb", "a%0Ab")]
    [InlineData("ü", "%C3%BC")]
    [InlineData("\uD83D\uDE00", "%F0%9F%98%80")]
    public void Message_Encoded_AndBack(string text, string encoded)
    {
        Assert.Equal(encoded, GrpcProtocol.EncodeMessage(text));
        Assert.Equal(text, GrpcProtocol.DecodeMessage(encoded));
    }

    [Theory]
    [InlineData("50%", "50%")]
    [InlineData("%zz%41", "%zzA")]
    [InlineData("%c3%bc", "ü")]
    [InlineData("%4", "%4")]
    [InlineData("ü%41", "üA")]
    public void Message_InvalidEscapes_LeftAsTheyAre(string encoded, string text) => Assert.Equal(text, GrpcProtocol.DecodeMessage(encoded));

    [Fact]
    public void Message_LoneSurrogate_ReplacedNotThrown() => Assert.Equal("%EF%BF%BD", GrpcProtocol.EncodeMessage("\uD83D"));

    [Fact]
    public void Message_AnyText_RoundTrips()
    {
        var random = new Random(3);
        for (var i = 0; i < 2_000; i++)
        {
            var text = new StringBuilder();
            for (var n = random.Next(20); n > 0; n--)
            {
                Rune rune;
                while (!Rune.TryCreate(random.Next(random.Next(2) == 0 ? 0x80 : 0x10FFFF), out rune)) { }
                text.Append(rune.ToString());
            }
            var encoded = GrpcProtocol.EncodeMessage(text.ToString());
            Assert.All(encoded, c => Assert.InRange(c, ' ', '~'));
            Assert.Equal(text.ToString(), GrpcProtocol.DecodeMessage(encoded));
        }
    }

    [Fact]
    public void Binary_AnyBytes_RoundTripWithAndWithoutPadding()
    {
        var random = new Random(5);
        for (var length = 0; length < 700; length++)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            foreach (var encoded in new[] { GrpcProtocol.EncodeBinary(bytes), Convert.ToBase64String(bytes), " " + Convert.ToBase64String(bytes) + " " })
            {
                Assert.True(GrpcProtocol.TryDecodeBinary(encoded, out var decoded));
                Assert.Equal(bytes, decoded);
            }
        }
    }

    [Theory]
    [InlineData("A")]
    [InlineData("AAAAA")]
    [InlineData("A*==")]
    public void Binary_NoBase64_Refused(string encoded) => Assert.False(GrpcProtocol.TryDecodeBinary(encoded, out _));

    [Theory]
    [InlineData("1n", 1)]
    [InlineData("100n", 1)]
    [InlineData("101n", 2)]
    [InlineData("1u", 10)]
    [InlineData("1m", 10_000)]
    [InlineData("1S", 10_000_000)]
    [InlineData("1M", 600_000_000)]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("0S", 0)]
    [InlineData("99999999H", 999_999_990_000_000)]
    public void Timeout_Valid_Decoded(string text, long ticks)
    {
        Assert.True(GrpcProtocol.TryDecodeTimeout(text, out var timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("1")]
    [InlineData("-1S")]
    [InlineData("1.5S")]
    [InlineData("1s")]
    [InlineData(" 1S")]
    [InlineData("123456789S")]
    public void Timeout_Invalid_Refused(string text) => Assert.False(GrpcProtocol.TryDecodeTimeout(text, out _));

    [Theory]
    [InlineData(-1, "1n")]
    [InlineData(0, "1n")]
    [InlineData(1, "100n")]
    [InlineData(10_000_000, "1000000u")]
    [InlineData(50_000_000_000, "5000000m")]
    [InlineData(3_000_000_000_000, "300000S")]
    public void Timeout_Encoded_InTheFinestUnitThatFits(long ticks, string expected) => Assert.Equal(expected, GrpcProtocol.EncodeTimeout(TimeSpan.FromTicks(ticks)));

    [Fact]
    public void Timeout_AnyTime_NeverShorterOnTheOtherSide()
    {
        var random = new Random(11);
        for (var i = 0; i < 5_000; i++)
        {
            var timeout = TimeSpan.FromTicks((long)Math.Pow(10, random.NextDouble() * 14) + random.Next(1000));
            var encoded = GrpcProtocol.EncodeTimeout(timeout);
            Assert.True(encoded.Length <= 9, encoded);
            Assert.True(GrpcProtocol.TryDecodeTimeout(encoded, out var decoded));
            Assert.InRange(decoded, timeout, timeout * 1.0001 + TimeSpan.FromTicks(10));
        }
    }

    [Fact]
    public void Received_BadBinary_LeftOutAndReported()
    {
        var metadata = new Metadata();
        Assert.False(GrpcProtocol.AddReceived(metadata, "X-Bin", "AQ,*"));
        Assert.Equal([1], metadata.Single().ValueBytes);
    }
}
