using System.Text;
using IronSnappy;
using Vigil.Metrics.Api;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

public sealed class SnappyBlockTests
{
    public static TheoryData<string> Texts => ["", "a", "abcabcabcabcabcabcabcabcabcabcabcabcabc", new string('x', 70_000), string.Concat(Enumerable.Range(0, 9_000).Select(i => $"{{job=\"{i % 7}\",i={i}}}"))];

    [Theory]
    [MemberData(nameof(Texts))]
    public void Decode_WhatAnotherLibraryPacked_IsTheSame(string text)
    {
        var plain = Encoding.UTF8.GetBytes(text);
        var packed = Snappy.Encode(plain);
        Assert.True(SnappyBlock.TryReadLength(packed, out var length));
        var target = new byte[length];
        Assert.True(SnappyBlock.TryDecode(packed, target));
        Assert.Equal(plain, target);
    }

    [Fact]
    public void Decode_RandomBytes_AreTheSame()
    {
        var random = new Random(7);
        for (var i = 0; i < 300; i++)
        {
            // Of few letters, so that there is something to copy.
            var plain = new byte[random.Next(3_000)];
            for (var b = 0; b < plain.Length; b++) plain[b] = (byte)random.Next(1 + i % 5);
            var packed = Snappy.Encode(plain);
            var target = new byte[plain.Length];
            Assert.True(SnappyBlock.TryDecode(packed, target));
            Assert.Equal(plain, target);
        }
    }

    [Theory]
    [InlineData("0a")] // ten bytes are stated, none follows
    [InlineData("0100")] // a literal without its byte
    [InlineData("0600610101")] // a repeated byte that makes five, where six are stated
    [InlineData("0500610100")] // offset 0
    [InlineData("0500610105")] // from before the beginning
    [InlineData("01f4ffff")] // a literal longer than what is left
    [InlineData("01fcffffffff")] // a literal of four billion bytes
    [InlineData("0200616100")] // more than is stated
    public void Decode_Damaged_IsRefused(string hex)
    {
        var packed = Convert.FromHexString(hex);
        var target = new byte[packed[0]];
        Assert.False(SnappyBlock.TryDecode(packed, target));
    }

    [Theory]
    [InlineData("")]
    [InlineData("80")]
    [InlineData("ffffffffff")] // no 32 bits
    [InlineData("ffffffff0f00")] // 4 GB from one byte
    [InlineData("80808001")] // 2 MB from nothing
    public void ReadLength_OfWhatCannotBe_IsRefused(string hex) => Assert.False(SnappyBlock.TryReadLength(Convert.FromHexString(hex), out _));

    [Fact]
    public void Decode_AnyBytes_NeverThrows()
    {
        var random = new Random(11);
        var good = Snappy.Encode(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("label value ", 40))));
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = i % 2 == 0 ? new byte[random.Next(64)] : (byte[])good.Clone();
            if (i % 2 == 0) random.NextBytes(bytes);
            else for (var n = 0; n < 3; n++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (SnappyBlock.TryReadLength(bytes, out var length)) SnappyBlock.TryDecode(bytes, new byte[length]);
        }
    }
}
