using System.Net.Http.Headers;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Internal;

/// <summary>Metadata as HTTP headers, both ways (gRPC: PROTOCOL-HTTP2.md, "Custom-Metadata").</summary>
internal static class MetadataHeaders
{
    public static void Add(HttpRequestHeaders headers, Metadata.Entry entry)
    {
        // Senders should leave the padding out; receivers take both.
        var value = entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes).TrimEnd('=') : entry.Value;
        headers.TryAddWithoutValidation(entry.Key, value);
    }

    public static Metadata Read(HttpHeaders headers, ILogger logger)
    {
        var metadata = new Metadata();
        foreach (var header in headers.NonValidated)
        {
            if (IsProtocol(header.Key)) continue;
            foreach (var value in header.Value)
            {
                // A peer's odd header must not cost the caller the status that came with it.
                try
                {
                    if (!header.Key.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase)) metadata.Add(header.Key, value);
                    else foreach (var part in value.Split(',')) metadata.Add(header.Key, Decode(part.Trim()));
                }
                catch (Exception e) when (e is ArgumentException or FormatException)
                {
                    ClientLog.InvalidMetadata(logger, header.Key, e);
                }
            }
        }
        return metadata;
    }

    private static byte[] Decode(string base64) => Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '='));

    private static bool IsProtocol(string name) => name.Length > 0 && (name[0] == ':'
        || name.Equals("grpc-status", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-message", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-encoding", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-accept-encoding", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-type", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-encoding", StringComparison.OrdinalIgnoreCase));
}
