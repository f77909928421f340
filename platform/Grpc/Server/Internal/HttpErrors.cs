using Grpc.Core;
using Grpc.Core.Internal;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Answers to what is no proper gRPC call, readable for HTTP and for gRPC callers.</summary>
internal static class HttpErrors
{
    public static bool IsHttp2OrLater(string protocol) => HttpProtocol.IsHttp2(protocol) || HttpProtocol.IsHttp3(protocol);

    /// <summary>Answers at once where the request cannot be a gRPC call.</summary>
    public static bool TryRefuse(HttpContext http, ServerEnvironment environment)
    {
        if (!GrpcProtocol.IsGrpcContentType(http.Request.ContentType))
        {
            GrpcServerLog.UnsupportedContentType(environment.Logger, http.Request.ContentType);
            Answer(http.Response, StatusCodes.Status415UnsupportedMediaType, StatusCode.Internal, http.Request.ContentType is { } type
                ? $"Content-Type '{type}' is not supported." : "Content-Type is missing from the request.");
            return true;
        }
        if (!IsHttp2OrLater(http.Request.Protocol))
        {
            GrpcServerLog.UnsupportedProtocol(environment.Logger, http.Request.Protocol);
            Answer(http.Response, StatusCodes.Status426UpgradeRequired, StatusCode.Internal, $"Request protocol '{http.Request.Protocol}' is not supported.");
            http.Response.Headers.Upgrade = HttpProtocol.Http2;
            return true;
        }
        return false;
    }

    /// <summary>A call that no service takes.</summary>
    public static Task Unimplemented(HttpContext http, ServerEnvironment environment, MappedServices services)
    {
        if (TryRefuse(http, environment)) return Task.CompletedTask;
        GrpcServerLog.Unimplemented(environment.Logger, http.Request.Path.Value ?? "");
        http.Response.ContentType = GrpcProtocol.ContentType;
        var known = services.Contains(http.Request.RouteValues["unimplementedService"] as string ?? "");
        SetStatus(http.Response.Headers, new Status(StatusCode.Unimplemented, known ? "Method is unimplemented." : "Service is unimplemented."));
        return Task.CompletedTask;
    }

    public static void SetStatus(IHeaderDictionary destination, Status status)
    {
        destination.GrpcStatus = GrpcProtocol.StatusText(status.StatusCode);
        if (string.IsNullOrEmpty(status.Detail)) destination.Remove(GrpcProtocol.Message);
        else destination.GrpcMessage = GrpcProtocol.EncodeMessage(status.Detail);
    }

    private static void Answer(HttpResponse response, int httpStatus, StatusCode status, string detail)
    {
        response.StatusCode = httpStatus;
        SetStatus(response.Headers, new Status(status, detail));
    }
}

/// <summary>Lets the catch-all route take only what claims to be gRPC.</summary>
internal sealed class UnknownCallConstraint : IRouteConstraint
{
    public const string Name = "grpcunimplemented";

    public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
        httpContext is not null && HttpMethods.IsPost(httpContext.Request.Method) && GrpcProtocol.IsGrpcContentType(httpContext.Request.ContentType);
}
