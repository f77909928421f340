using Microsoft.AspNetCore.Http;

namespace Vigil.ServiceDefaults;

/// <summary>Who calls, as far as the token tells.</summary>
internal sealed record Caller(string Actor, Scopes Scopes, string Token)
{
    /// <summary>What a caller without a token is called where none is needed.</summary>
    public const string Anonymous = "anonymous";

    /// <summary>
    /// The token's name; with what the caller says of itself before it, marked as such: <c>alice via operate-1f2e3d4c</c>. A token
    /// may be shared, so that the person's own name is worth keeping, but only the token is proved.
    /// </summary>
    public static string Name(string token, string? claimed) =>
        claimed is { Length: > 0 and <= 64 } && claimed.All(c => char.IsLetterOrDigit(c) || c is '.' or '_' or '-' or '@' or '+' or ' ')
            ? $"{claimed.Trim()} via {token}"
            : token;
}

/// <summary>Who is calling.</summary>
public static class CallerExtensions
{
    /// <summary>Header, and gRPC metadata key, in which a caller may give its user's name for the audit log.</summary>
    public const string ActorHeader = "x-vigil-actor";

    /// <summary>The caller's name for the audit log; <c>anonymous</c> where no token was needed.</summary>
    public static string GetActor(this HttpContext context) => context.Features.Get<Caller>()?.Actor ?? Caller.Anonymous;

    /// <summary>
    /// The name of the caller's token, without what the caller says of itself: for limits per caller. The same for all callers without a
    /// token.
    /// </summary>
    public static string GetToken(this HttpContext context) => context.Features.Get<Caller>()?.Token ?? Caller.Anonymous;

    /// <summary>Whether the caller's token allows more than the endpoint demands, e.g. for a method whose need depends on its input.</summary>
    public static bool HasScope(this HttpContext context, Scope scope) => context.Features.Get<Caller>()?.Scopes.Allow(scope) ?? false;
}
