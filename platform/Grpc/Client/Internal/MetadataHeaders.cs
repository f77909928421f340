using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Core.Internal;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Internal;

/// <summary>Metadata as HTTP headers, both ways (gRPC: PROTOCOL-HTTP2.md, "Custom-Metadata").</summary>
internal static class MetadataHeaders
{
    public static void Add(HttpRequestHeaders headers, Metadata.Entry entry) =>
        headers.TryAddWithoutValidation(entry.Key, GrpcProtocol.EncodeValue(entry));

    public static Metadata Read(HttpHeaders headers, ILogger logger)
    {
        var metadata = new Metadata();
        foreach (var header in headers.NonValidated)
        {
            if (IsProtocol(header.Key)) continue;
            foreach (var value in header.Value)
            {
                // A peer's odd header must not cost the caller the status that came with it.
                if (!GrpcProtocol.AddReceived(metadata, header.Key, value)) ClientLog.InvalidMetadata(logger, header.Key);
            }
        }
        return metadata;
    }

    private static bool IsProtocol(string name) => name.ToLowerInvariant() is GrpcProtocol.Status or GrpcProtocol.Message
        or GrpcProtocol.Encoding or GrpcProtocol.AcceptEncoding or "content-type" or "content-encoding";
}
