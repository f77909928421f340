using Google.Protobuf;
using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Api;

/// <summary>What the generated base class is, with requests that are read by <see cref="PushDecoder"/>.</summary>
[BindServiceMethod(typeof(IngestContract), nameof(IngestContract.BindService))]
internal abstract class IngestBase
{
    public abstract Task Push(IAsyncStreamReader<PushMessage> requestStream, IServerStreamWriter<PushResponse> responseStream, ServerCallContext context);
}

/// <summary>Binds <see cref="IngestBase"/> under the names of <see cref="MetricsIngest"/>; the member names are those that servers look for.</summary>
internal static class IngestContract
{
    private static readonly Method<PushMessage, PushResponse> Push = new(
        MethodType.DuplexStreaming,
        MetricsIngest.Descriptor.FullName,
        nameof(IngestBase.Push),
        Marshallers.Create<PushMessage>((_, _) => throw new NotSupportedException("requests are only read here"), context => PushDecoder.Read(context.PayloadAsReadOnlySequence())),
        Marshallers.Create(Write, context => PushResponse.Parser.ParseFrom(context.PayloadAsReadOnlySequence())));

    /// <summary>For reflection.</summary>
    public static Google.Protobuf.Reflection.ServiceDescriptor Descriptor => MetricsIngest.Descriptor;

    /// <param name="binder">Where the method is bound.</param>
    /// <param name="service">Null where the binder finds the implementation itself.</param>
    public static void BindService(ServiceBinderBase binder, IngestBase? service) =>
        binder.AddMethod(Push, service is null ? null : new DuplexStreamingServerMethod<PushMessage, PushResponse>(service.Push));

    private static void Write(PushResponse response, SerializationContext context)
    {
        context.SetPayloadLength(response.CalculateSize());
        response.WriteTo(context.GetBufferWriter());
        context.Complete();
    }
}
