using System.IO.Compression;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Storage;

/// <summary>The declarations of many series: <see cref="JournalCodec.WriteSeries"/> in Brotli, as they repeat each other.</summary>
internal static class DeclarationPage
{
    private const byte Version = 1;

    // Far above what a bucket's declarations can take by the rules for labels; a damaged length must not become a huge array.
    private const int MaxLength = 256 * 1024 * 1024;
    private const int Quality = 4;
    private const int Window = 20;

    public static byte[] Write(IReadOnlyCollection<DeclaredSeries> series)
    {
        var plain = JournalCodec.WriteSeries(series);
        var page = new byte[PageFrame.Length + Varint.MaxBytes + BrotliEncoder.GetMaxCompressedLength(plain.Length)];
        var position = Varint.Write(page, PageFrame.Length, (ulong)plain.Length);
        if (!BrotliEncoder.TryCompress(plain, page.AsSpan(position), out var written, Quality, Window)) throw new InvalidOperationException("declarations cannot be compressed");
        Array.Resize(ref page, position + written);
        PageFrame.Seal(page, Version);
        return page;
    }

    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    public static IReadOnlyList<DeclaredSeries> Read(ReadOnlySpan<byte> page)
    {
        var content = PageFrame.Open(page, Version);
        var position = 0;
        var plain = new byte[Varint.ReadCount(content, ref position, MaxLength)];
        if (!BrotliDecoder.TryDecompress(content[position..], plain, out var written) || written != plain.Length)
            throw new InvalidDataException("a stored page of series declarations is damaged");
        return JournalCodec.ReadSeries(plain);
    }
}
