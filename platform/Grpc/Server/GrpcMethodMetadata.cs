using Grpc.Core;

namespace Grpc.AspNetCore.Server;

/// <summary>On the endpoint of a gRPC method: which method of which service it is.</summary>
public sealed class GrpcMethodMetadata
{
    /// <summary>Metadata of a method.</summary>
    public GrpcMethodMetadata(Type serviceType, IMethod method)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        ArgumentNullException.ThrowIfNull(method);
        ServiceType = serviceType;
        Method = method;
    }

    /// <summary>The type that implements the service.</summary>
    public Type ServiceType { get; }

    /// <summary>The method.</summary>
    public IMethod Method { get; }
}
