using System.IO.Compression;

namespace Vigil.Metrics.Api;

/// <summary>A request that is refused before anything in it is looked at.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="reason">For the counter, e.g. <c>too_large</c>.</param>
/// <param name="message">For the caller.</param>
internal sealed class BodyException(int status, string reason, string message) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>For the counter.</summary>
    public string Reason { get; } = reason;
}

/// <summary>Reads the bodies of requests into memory from a pool, none larger than allowed, packed or unpacked.</summary>
internal static class RequestBody
{
    private const int FirstRent = 64 * 1024;

    /// <summary>The body as it was sent.</summary>
    /// <exception cref="BodyException">It is too large.</exception>
    public static async Task<PooledBytes> ReadAsync(HttpRequest request, int limit, CancellationToken ct)
    {
        if (request.ContentLength > limit) throw TooLarge(limit);
        // What a caller announces it need not send.
        var body = new PooledBytes((int)Math.Min(request.ContentLength ?? FirstRent, FirstRent));
        try
        {
            while (true)
            {
                var read = await request.BodyReader.ReadAsync(ct).ConfigureAwait(false);
                if (read.Buffer.Length > limit - body.Length) throw TooLarge(limit);
                foreach (var part in read.Buffer) part.Span.CopyTo(body.Extend(part.Length));
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return body;
            }
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>Unpacks Snappy's block format; what it would come to is checked before.</summary>
    /// <exception cref="BodyException">It is too large or damaged.</exception>
    public static PooledBytes Unsnap(PooledBytes packed, int limit)
    {
        if (!SnappyBlock.TryReadLength(packed.Span, out var length)) throw Damaged("snappy");
        if (length > limit) throw TooLarge(limit);
        var body = new PooledBytes(length);
        if (SnappyBlock.TryDecode(packed.Span, body.Extend(length))) return body;
        body.Dispose();
        throw Damaged("snappy");
    }

    /// <summary>Unpacks gzip, and stops where it comes to more than allowed.</summary>
    /// <exception cref="BodyException">It is too large or damaged.</exception>
    public static PooledBytes Gunzip(PooledBytes packed, int limit)
    {
        var body = new PooledBytes(FirstRent);
        try
        {
            using var source = new MemoryStream(packed.Segment.Array!, packed.Segment.Offset, packed.Length, writable: false);
            using var gzip = new GZipStream(source, CompressionMode.Decompress);
            while (true)
            {
                var room = body.Extend(FirstRent);
                var read = gzip.Read(room);
                body.Shorten(room.Length - read);
                if (body.Length > limit) throw TooLarge(limit);
                if (read == 0) return body;
            }
        }
        catch (InvalidDataException)
        {
            body.Dispose();
            throw Damaged("gzip");
        }
        catch (BodyException)
        {
            body.Dispose();
            throw;
        }
    }

    private static BodyException TooLarge(int limit) => new(StatusCodes.Status413PayloadTooLarge, "too_large",
        $"the body is larger than {limit} bytes (Metrics:{nameof(MetricsOptions.MaxBodyBytes)}), as sent or unpacked: send less at once");

    private static BodyException Damaged(string format) => new(StatusCodes.Status400BadRequest, "damaged", $"the body cannot be unpacked as {format}");
}
