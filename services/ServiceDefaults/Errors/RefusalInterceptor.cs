using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using GrpcStatus = Grpc.Core.Status;

namespace Vigil.ServiceDefaults;

/// <summary>Turns what a gRPC method threw into its status, with the fields at fault in <c>grpc-status-details-bin</c>.</summary>
internal sealed class RefusalInterceptor(Failures failures) : Interceptor
{
    /// <summary>Trailer with a serialized google.rpc.Status.</summary>
    public const string DetailsTrailer = "grpc-status-details-bin";

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context).ConfigureAwait(false);
        }
        catch (Exception e) when (ShouldMap(e, context))
        {
            throw Map(e, context);
        }
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(requestStream, context).ConfigureAwait(false);
        }
        catch (Exception e) when (ShouldMap(e, context))
        {
            throw Map(e, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context).ConfigureAwait(false);
        }
        catch (Exception e) when (ShouldMap(e, context))
        {
            throw Map(e, context);
        }
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(requestStream, responseStream, context).ConfigureAwait(false);
        }
        catch (Exception e) when (ShouldMap(e, context))
        {
            throw Map(e, context);
        }
    }

    // An RpcException says already what the caller shall see; after a cancellation or a broken connection nobody listens.
    private static bool ShouldMap(Exception e, ServerCallContext context) =>
        e is not RpcException && !(context.CancellationToken.IsCancellationRequested && e is OperationCanceledException or IOException);

    private RpcException Map(Exception e, ServerCallContext context)
    {
        var error = failures.Handle(e, context.Method);
        var trailers = new Metadata { { DetailsTrailer, Details(error).ToByteArray() } };
        return new RpcException(new GrpcStatus(error.Grpc, error.Message), trailers);
    }

    internal static Google.Rpc.Status Details(EdgeError error)
    {
        var status = new Google.Rpc.Status { Code = (int)error.Grpc, Message = error.Message };
        var info = new ErrorInfo { Reason = error.Reason.ToUpperInvariant(), Domain = "vigil" };
        if (error.Id is not null) info.Metadata.Add("error_id", error.Id);
        status.Details.Add(Any.Pack(info));
        if (error.Fields.Count > 0)
        {
            var bad = new BadRequest();
            bad.FieldViolations.AddRange(error.Fields.Select(f => new BadRequest.Types.FieldViolation { Field = f.Field, Description = f.Description }));
            status.Details.Add(Any.Pack(bad));
        }
        return status;
    }
}
