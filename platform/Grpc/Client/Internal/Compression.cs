using System.IO.Compression;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>The message encodings of this client: gzip, and deflate (which in HTTP's terms is zlib's format).</summary>
internal static class Compression
{
    public const string Accepted = "identity,gzip,deflate";

    /// <summary>Metadata by which a caller chooses the encoding of its requests; it is not sent.</summary>
    public const string RequestHeader = "grpc-internal-encoding-request";

    /// <summary>The encoding that <paramref name="headers"/> ask for; null for none.</summary>
    /// <exception cref="InvalidOperationException">The encoding is not known.</exception>
    public static string? Requested(Metadata? headers) => headers?.GetValue(RequestHeader) switch
    {
        null or "identity" => null,
        "gzip" => "gzip",
        "deflate" => "deflate",
        var other => throw new InvalidOperationException($"Could not find compression provider for '{other}'."),
    };

    public static void Compress(string encoding, ReadOnlySpan<byte> payload, Stream output)
    {
        using Stream packer = encoding == "gzip"
            ? new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true)
            : new ZLibStream(output, CompressionLevel.Fastest, leaveOpen: true);
        packer.Write(payload);
    }

    /// <summary>Unpacks no more than <paramref name="limit"/> bytes: a small message can unpack to gigabytes.</summary>
    public static ReadOnlyMemory<byte> Decompress(string encoding, ReadOnlyMemory<byte> payload, int limit)
    {
        using var input = new MemoryStream(payload.ToArray(), writable: false);
        using Stream unpacker = encoding switch
        {
            "gzip" => new GZipStream(input, CompressionMode.Decompress),
            "deflate" => new ZLibStream(input, CompressionMode.Decompress),
            _ => throw new RpcException(new Status(StatusCode.Internal, $"The response is packed with '{encoding}', which is not supported.")),
        };
        using var output = new MemoryStream();
        var chunk = new byte[16 * 1024];
        try
        {
            while (unpacker.Read(chunk) is > 0 and var read)
            {
                if (output.Length + read > limit) throw new RpcException(FrameReader.TooLarge);
                output.Write(chunk.AsSpan(0, read));
            }
        }
        catch (InvalidDataException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, "A compressed message is damaged.", e));
        }
        return output.GetBuffer().AsMemory(0, (int)output.Length);
    }
}
