using System.Net;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>Lets a request through when its token has the scope that the endpoint needs.</summary>
internal sealed class TokenMiddleware(RequestDelegate next, TokenTable tokens, IOptions<AuthOptions> options, AuthFailures failures)
{
    private static readonly string[] ProxyHeaders = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"];

    private readonly bool allowLoopbackRead = options.Value.AllowLoopbackRead;

    public Task InvokeAsync(HttpContext context)
    {
        // Without an endpoint there is nothing to guard: it becomes a 404.
        if (context.GetEndpoint() is not { } endpoint || endpoint.Metadata.GetMetadata<NoTokenNeeded>() is not null) return next(context);

        // An endpoint that names no scope is for administrators: forgetting to name one must not open it.
        var needed = endpoint.Metadata.GetMetadata<RequireScopeAttribute>()?.Scope ?? Scope.Admin;
        var credentials = Credentials.Read(context.Request.Headers.Authorization);
        switch (credentials.Kind)
        {
            case CredentialKind.None when needed == Scope.Read && allowLoopbackRead && IsLocal(context):
                context.Features.Set(new Caller("loopback", default(Scopes).With(Scope.Read), "loopback"));
                return next(context);
            case CredentialKind.None:
                return RefuseAsync(context, "missing", RefusalKind.Unauthenticated, "a token is needed: send it as 'authorization: Bearer TOKEN'");
            case CredentialKind.Malformed:
                return RefuseAsync(context, "malformed", RefusalKind.Unauthenticated, "the authorization header must be 'Bearer TOKEN', or Basic with the token as password");
        }
        if (!tokens.TryFind(credentials.Token.Span, out var scopes, out var name))
            return RefuseAsync(context, "unknown_token", RefusalKind.Unauthenticated, "this token is not known here");
        var claimed = credentials.User ?? context.Request.Headers[CallerExtensions.ActorHeader].ToString();
        context.Features.Set(new Caller(Caller.Name(name, claimed), scopes, name));
        // A gRPC method that does not exist: whoever has a token may learn that.
        var unknownMethod = EdgeErrors.IsGrpc(context) && endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is null;
        return unknownMethod || scopes.Allow(needed)
            ? next(context)
            : RefuseAsync(context, "insufficient_scope", RefusalKind.PermissionDenied, $"this needs the scope {needed.ToString().ToLowerInvariant()}; the token has {scopes}");
    }

    private Task RefuseAsync(HttpContext context, string reason, RefusalKind kind, string message)
    {
        failures.Record(reason, context.Connection.RemoteIpAddress, context.Request.Path);
        if (kind == RefusalKind.Unauthenticated)
            context.Response.Headers.WWWAuthenticate = new(["Bearer realm=\"vigil\"", "Basic realm=\"vigil\""]);
        return EdgeErrors.WriteAsync(context, EdgeError.From(new Refusal(kind, message)));
    }

    // Every caller seems local behind a proxy on this machine; and a web page may reach a local port under a name of its own that
    // resolves to loopback, which its Host header gives away.
    private static bool IsLocal(HttpContext context)
    {
        if (context.Connection.RemoteIpAddress is not { } remote || !IPAddress.IsLoopback(remote)) return false;
        foreach (var header in ProxyHeaders)
        {
            if (context.Request.Headers.ContainsKey(header)) return false;
        }
        var host = context.Request.Host.Host;
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host.AsSpan().Trim("[]"), out var ip) && IPAddress.IsLoopback(ip));
    }
}
