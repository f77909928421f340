using System.Diagnostics;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Vigil.ServiceDefaults;

/// <summary>Answers what an HTTP endpoint threw. gRPC has <see cref="RefusalInterceptor"/>.</summary>
internal sealed class HttpErrorMiddleware(RequestDelegate next, Failures failures)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to be answered; the status is for the access metrics.
            if (!context.Response.HasStarted) context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception e) when (!context.Response.HasStarted && !EdgeErrors.IsGrpc(context))
        {
            Activity.Current?.AddException(e);
            var error = e switch
            {
                BadHttpRequestException bad => new EdgeError(StatusCode.InvalidArgument, bad.StatusCode, "bad_request", bad.Message, []),
                RpcException rpc => new EdgeError(rpc.StatusCode, RefusalStatus.Http(rpc.StatusCode), "upstream", rpc.Status.Detail, []),
                _ => failures.Handle(e, $"{context.Request.Method} {context.Request.Path}"),
            };
            context.Response.Clear();
            await EdgeErrors.WriteAsync(context, error).ConfigureAwait(false);
        }
    }
}
