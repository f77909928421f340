using System.IO.Compression;
using Grpc.Net.Compression;

namespace Grpc.AspNetCore.Server;

/// <summary>Options of every service, or of one where set by <c>AddServiceOptions</c>; what is not set there is taken from here.</summary>
public class GrpcServiceOptions
{
    private int? maxSend;
    private int? maxReceive;
    private bool maxSendSpecified;
    private bool maxReceiveSpecified;

    /// <summary>The largest message that may be sent, in bytes before compression; null (the default) for no limit.</summary>
    public int? MaxSendMessageSize
    {
        get => maxSend;
        set => (maxSend, maxSendSpecified) = (value, true);
    }

    /// <summary>Whether <see cref="MaxSendMessageSize"/> was set; setting it to false takes the value back.</summary>
    public bool MaxSendMessageSizeSpecified
    {
        get => maxSendSpecified;
        set => (maxSend, maxSendSpecified) = (value ? maxSend : null, value);
    }

    /// <summary>The largest message that is accepted, in bytes, compressed as well as unpacked; 4 MiB unless set, null for no limit.</summary>
    public int? MaxReceiveMessageSize
    {
        get => maxReceive;
        set => (maxReceive, maxReceiveSpecified) = (value, true);
    }

    /// <summary>Whether <see cref="MaxReceiveMessageSize"/> was set; setting it to false takes the value back.</summary>
    public bool MaxReceiveMessageSizeSpecified
    {
        get => maxReceiveSpecified;
        set => (maxReceive, maxReceiveSpecified) = (value ? maxReceive : null, value);
    }

    /// <summary>Whether callers are told the exception of a handler. Off by default: it may hold what is not theirs to know.</summary>
    public bool? EnableDetailedErrors { get; set; }

    /// <summary>How responses are packed for callers that accept it, such as <c>gzip</c>; null for not at all.</summary>
    public string? ResponseCompressionAlgorithm { get; set; }

    /// <summary>How hard responses are packed; null for the provider's own level.</summary>
    public CompressionLevel? ResponseCompressionLevel { get; set; }

    /// <summary>Encodings beside gzip, which is always there.</summary>
    public IList<ICompressionProvider> CompressionProviders { get; set; } = [];

    /// <summary>Whether calls to unknown services and methods fall through to the rest of the pipeline instead of being answered with Unimplemented.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    /// <summary>Interceptors, outermost first; those of all services stand around those of one.</summary>
    public InterceptorCollection Interceptors { get; } = [];
}

/// <summary>Options of one service.</summary>
public class GrpcServiceOptions<TService> : GrpcServiceOptions where TService : class;
