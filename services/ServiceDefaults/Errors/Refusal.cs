namespace Vigil.ServiceDefaults;

/// <summary>Why something asked for is not done. Each kind has one gRPC status and one HTTP status: see <see cref="RefusalStatus"/>.</summary>
public enum RefusalKind
{
    /// <summary>What was sent can never be right as it is. INVALID_ARGUMENT, 400.</summary>
    InvalidArgument,

    /// <summary>The thing named does not exist. NOT_FOUND, 404.</summary>
    NotFound,

    /// <summary>A thing of this name exists already. ALREADY_EXISTS, 409.</summary>
    AlreadyExists,

    /// <summary>Somebody else changed it in between: read again and retry. ABORTED, 409.</summary>
    Conflict,

    /// <summary>Not possible in the present state, e.g. acknowledging what is resolved. FAILED_PRECONDITION, 409.</summary>
    FailedPrecondition,

    /// <summary>A limit is reached; the message names it. RESOURCE_EXHAUSTED, 429.</summary>
    ResourceExhausted,

    /// <summary>Cannot be done for the moment; retrying later may help. UNAVAILABLE, 503.</summary>
    Unavailable,

    /// <summary>No credentials, or unknown ones. UNAUTHENTICATED, 401.</summary>
    Unauthenticated,

    /// <summary>The caller's scope does not allow it. PERMISSION_DENIED, 403.</summary>
    PermissionDenied,

    /// <summary>The time asked for, or of a sample, lies outside of what is kept or taken. OUT_OF_RANGE, 400.</summary>
    TooOld,

    /// <summary>It took longer than it may. DEADLINE_EXCEEDED, 504.</summary>
    Timeout,
}

/// <summary>One field of a request that is not acceptable.</summary>
/// <param name="Field">Path in the request, e.g. <c>series[3].labels[0].name</c>.</param>
/// <param name="Description">What is wrong, with the value and what is allowed.</param>
public sealed record FieldViolation(string Field, string Description);

/// <summary>A refusal with its reason: what domain code returns instead of throwing.</summary>
/// <param name="Kind">What sort of refusal; decides the status code.</param>
/// <param name="Message">A sentence for the caller. Must not hold secrets.</param>
/// <param name="Fields">The fields at fault; empty where the request as a whole is.</param>
public sealed record Refusal(RefusalKind Kind, string Message, IReadOnlyList<FieldViolation> Fields)
{
    /// <summary>A refusal that is about no field in particular.</summary>
    public Refusal(RefusalKind kind, string message) : this(kind, message, []) { }

    /// <summary>Bad input in one field.</summary>
    public static Refusal Invalid(string field, string description) =>
        new(RefusalKind.InvalidArgument, $"{field}: {description}", [new FieldViolation(field, description)]);

    /// <summary>Bad input in several fields; the message lists all.</summary>
    public static Refusal Invalid(IReadOnlyList<FieldViolation> fields) =>
        new(RefusalKind.InvalidArgument, string.Join("; ", fields.Select(f => $"{f.Field}: {f.Description}")), fields);

    /// <summary>The thing is not there.</summary>
    public static Refusal NotFound(string what) => new(RefusalKind.NotFound, $"{what} not found");

    /// <summary>To throw at an edge.</summary>
    public RefusalException ToException() => new(this);
}

/// <summary>Carries a <see cref="Refusal"/> through an edge: becomes its gRPC status or HTTP problem in one place.</summary>
public sealed class RefusalException : Exception
{
    /// <summary>Wraps a refusal.</summary>
    public RefusalException(Refusal refusal) : base(refusal.Message) => Refusal = refusal;

    /// <summary>A refusal that is about no field in particular.</summary>
    public RefusalException(RefusalKind kind, string message) : this(new Refusal(kind, message)) { }

    /// <summary>What is refused and why.</summary>
    public Refusal Refusal { get; }
}
