using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>Starts calls of all four kinds on a channel.</summary>
internal sealed class HttpCallInvoker(GrpcChannel channel) : CallInvoker
{
    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = Start(method, options);
        var response = call.ReadOne(request);
        return new(response, HttpCall.GetHeaders, HttpCall.GetStatus, HttpCall.GetTrailers, HttpCall.Disposal, call.Http);
    }

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        // The generated blocking methods promise just this; nothing inside the call needs the blocked thread.
#pragma warning disable RS0030
        return AsyncUnaryCall(method, host, options, request).ResponseAsync.GetAwaiter().GetResult();
#pragma warning restore RS0030
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = Start(method, options);
        var responses = call.ReadStream(request);
        return new(responses, HttpCall.GetHeaders, HttpCall.GetStatus, HttpCall.GetTrailers, HttpCall.Disposal, call.Http);
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = Start(method, options);
        var stream = CreateRequestStream(method, call.Http);
        var response = call.ReadOne(stream);
        var writer = new RequestWriter<TRequest>(call.Http, method.RequestMarshaller, stream, response);
        return new(writer, response, HttpCall.GetHeaders, HttpCall.GetStatus, HttpCall.GetTrailers, HttpCall.Disposal, call.Http);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = Start(method, options);
        var stream = CreateRequestStream(method, call.Http);
        var responses = call.ReadStream(stream);
        var writer = new RequestWriter<TRequest>(call.Http, method.RequestMarshaller, stream, response: null);
        return new(writer, responses, HttpCall.GetHeaders, HttpCall.GetStatus, HttpCall.GetTrailers, HttpCall.Disposal, call.Http);
    }

    private GrpcCall<TRequest, TResponse> Start<TRequest, TResponse>(Method<TRequest, TResponse> method, in CallOptions options)
        where TRequest : class
        where TResponse : class => new(new HttpCall(channel, channel.TargetOf(method), options), method);

    private RequestStream CreateRequestStream(IMethod method, HttpCall call) => channel.TargetOf(method).Retry is null
        ? new DirectRequestStream()
        : new ReplayedRequestStream(channel.RetryBudget, channel.MaxRetryBufferPerCallSize, call.StopRetrying);
}
