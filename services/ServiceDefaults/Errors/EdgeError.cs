using Grpc.Core;

namespace Vigil.ServiceDefaults;

/// <summary>What a caller is told when a request fails, on either edge.</summary>
/// <param name="Grpc">gRPC status.</param>
/// <param name="Http">HTTP status.</param>
/// <param name="Reason">Short reason for counters and machines, e.g. <c>invalid_argument</c>.</param>
/// <param name="Message">A sentence for the caller.</param>
/// <param name="Fields">Fields at fault.</param>
/// <param name="Id">Id under which the service's log has the whole story; null for refusals, which tell it themselves.</param>
public sealed record EdgeError(StatusCode Grpc, int Http, string Reason, string Message, IReadOnlyList<FieldViolation> Fields, string? Id = null)
{
    /// <summary>The error of a refusal.</summary>
    public static EdgeError From(Refusal refusal) =>
        new(RefusalStatus.Grpc(refusal.Kind), RefusalStatus.Http(refusal.Kind), RefusalStatus.Reason(refusal.Kind), refusal.Message, refusal.Fields);
}

/// <summary>The status codes of refusals: the one place that knows them.</summary>
public static class RefusalStatus
{
    /// <summary>The gRPC status.</summary>
    public static StatusCode Grpc(RefusalKind kind) => kind switch
    {
        RefusalKind.InvalidArgument => StatusCode.InvalidArgument,
        RefusalKind.NotFound => StatusCode.NotFound,
        RefusalKind.AlreadyExists => StatusCode.AlreadyExists,
        RefusalKind.Conflict => StatusCode.Aborted,
        RefusalKind.FailedPrecondition => StatusCode.FailedPrecondition,
        RefusalKind.ResourceExhausted => StatusCode.ResourceExhausted,
        RefusalKind.Unavailable => StatusCode.Unavailable,
        RefusalKind.Unauthenticated => StatusCode.Unauthenticated,
        RefusalKind.PermissionDenied => StatusCode.PermissionDenied,
        RefusalKind.TooOld => StatusCode.OutOfRange,
        RefusalKind.Timeout => StatusCode.DeadlineExceeded,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>The HTTP status.</summary>
    public static int Http(RefusalKind kind) => kind switch
    {
        RefusalKind.InvalidArgument or RefusalKind.TooOld => 400,
        RefusalKind.NotFound => 404,
        RefusalKind.AlreadyExists or RefusalKind.Conflict or RefusalKind.FailedPrecondition => 409,
        RefusalKind.ResourceExhausted => 429,
        RefusalKind.Unavailable => 503,
        RefusalKind.Unauthenticated => 401,
        RefusalKind.PermissionDenied => 403,
        RefusalKind.Timeout => 504,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>Short reason, in snake_case.</summary>
    public static string Reason(RefusalKind kind) => kind switch
    {
        RefusalKind.InvalidArgument => "invalid_argument",
        RefusalKind.NotFound => "not_found",
        RefusalKind.AlreadyExists => "already_exists",
        RefusalKind.Conflict => "conflict",
        RefusalKind.FailedPrecondition => "failed_precondition",
        RefusalKind.ResourceExhausted => "resource_exhausted",
        RefusalKind.Unavailable => "unavailable",
        RefusalKind.Unauthenticated => "unauthenticated",
        RefusalKind.PermissionDenied => "permission_denied",
        RefusalKind.TooOld => "too_old",
        RefusalKind.Timeout => "timeout",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <summary>The HTTP status for a gRPC status, for what another service answered. As the comments of google/rpc/code.proto say.</summary>
    public static int Http(StatusCode status) => status switch
    {
        StatusCode.OK => 200,
        StatusCode.Cancelled => 499,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => 400,
        StatusCode.DeadlineExceeded => 504,
        StatusCode.NotFound => 404,
        StatusCode.AlreadyExists or StatusCode.Aborted => 409,
        StatusCode.PermissionDenied => 403,
        StatusCode.Unauthenticated => 401,
        StatusCode.ResourceExhausted => 429,
        StatusCode.Unimplemented => 501,
        StatusCode.Unavailable => 503,
        _ => 500,
    };
}
