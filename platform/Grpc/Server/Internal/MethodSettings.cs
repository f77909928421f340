using System.IO.Compression;
using Grpc.Core.Internal;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>A method's options, with the service's own over those of all.</summary>
internal sealed class MethodSettings
{
    public int? MaxReceiveSize { get; private init; }

    public int? MaxSendSize { get; private init; }

    public bool DetailedErrors { get; private init; }

    public ICompressionProvider? ResponseCompression { get; private init; }

    public CompressionLevel? ResponseCompressionLevel { get; private init; }

    public required IReadOnlyDictionary<string, ICompressionProvider> Compression { get; init; }

    public required IReadOnlyList<InterceptorRegistration> Interceptors { get; init; }

    /// <summary>What this server can unpack, for grpc-accept-encoding.</summary>
    public string AcceptEncoding => string.Join(",", Compression.Keys.Prepend(GrpcProtocol.Identity));

    /// <param name="all">Options of every service.</param>
    /// <param name="one">Options of this service; may be the same object.</param>
    /// <exception cref="InvalidOperationException">The response compression names an encoding that is not there.</exception>
    public static MethodSettings Create(GrpcServiceOptions all, GrpcServiceOptions one)
    {
        var compression = new Dictionary<string, ICompressionProvider>(StringComparer.Ordinal)
        {
            [GrpcProtocol.Gzip] = new GzipCompressionProvider(CompressionLevel.Fastest),
        };
        foreach (var provider in all.CompressionProviders.Concat(one.CompressionProviders)) compression[provider.EncodingName] = provider;

        var algorithm = one.ResponseCompressionAlgorithm ?? all.ResponseCompressionAlgorithm;
        ICompressionProvider? response = null;
        if (algorithm is not null && algorithm != GrpcProtocol.Identity && !compression.TryGetValue(algorithm, out response))
            throw new InvalidOperationException($"The configured response compression algorithm '{algorithm}' does not have a matching compression provider.");

        return new MethodSettings
        {
            MaxReceiveSize = one.MaxReceiveMessageSizeSpecified ? one.MaxReceiveMessageSize
                : all.MaxReceiveMessageSizeSpecified ? all.MaxReceiveMessageSize : GrpcProtocol.DefaultMaxReceiveMessageSize,
            MaxSendSize = one.MaxSendMessageSizeSpecified ? one.MaxSendMessageSize : all.MaxSendMessageSize,
            DetailedErrors = one.EnableDetailedErrors ?? all.EnableDetailedErrors ?? false,
            ResponseCompression = response,
            ResponseCompressionLevel = one.ResponseCompressionLevel ?? all.ResponseCompressionLevel,
            Compression = compression,
            Interceptors = ReferenceEquals(all, one) ? [.. all.Interceptors] : [.. all.Interceptors, .. one.Interceptors],
        };
    }
}
