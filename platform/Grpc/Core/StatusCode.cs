namespace Grpc.Core;

/// <summary>The result of a call; numbers as in the gRPC specification (doc/statuscodes.md).</summary>
public enum StatusCode
{
    /// <summary>Success.</summary>
    OK = 0,

    /// <summary>Cancelled, usually by the caller.</summary>
    Cancelled = 1,

    /// <summary>An error that says nothing more, such as an exception in a handler.</summary>
    Unknown = 2,

    /// <summary>The argument is wrong whatever the state of the system.</summary>
    InvalidArgument = 3,

    /// <summary>The deadline passed first. The work may have been done all the same.</summary>
    DeadlineExceeded = 4,

    /// <summary>What was asked for does not exist.</summary>
    NotFound = 5,

    /// <summary>What was to be created exists already.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A quota, a size or another limit was hit.</summary>
    ResourceExhausted = 8,

    /// <summary>The system's state forbids it; a retry helps only once the state is changed.</summary>
    FailedPrecondition = 9,

    /// <summary>Aborted by a conflict, such as a stale write; retry from the read.</summary>
    Aborted = 10,

    /// <summary>Past the valid range in the present state.</summary>
    OutOfRange = 11,

    /// <summary>The method does not exist or is not supported.</summary>
    Unimplemented = 12,

    /// <summary>An invariant is broken: a malformed message or frame counts as this.</summary>
    Internal = 13,

    /// <summary>The service cannot be reached now; a retry with back-off may succeed.</summary>
    Unavailable = 14,

    /// <summary>Data is lost or corrupt beyond repair.</summary>
    DataLoss = 15,

    /// <summary>The caller is not known: no valid credentials.</summary>
    Unauthenticated = 16,
}
