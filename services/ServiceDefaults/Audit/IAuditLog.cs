namespace Vigil.ServiceDefaults;

/// <summary>Who changed what, and when: append-only, each row chained to the one before by its hash.</summary>
public interface IAuditLog
{
    /// <summary>Appends a row; when this returns, it is durable.</summary>
    /// <param name="actor">Who: <c>HttpContext.GetActor()</c>.</param>
    /// <param name="action">What, as <c>noun.verb</c>, e.g. <c>alert.acknowledge</c>. At most 100 characters.</param>
    /// <param name="target">Which one, e.g. an alert's fingerprint. At most 500 characters.</param>
    /// <param name="detail">Anything else; kept as JSON, at most 64 KiB. Null for nothing.</param>
    /// <param name="ct">Cancels the wait.</param>
    ValueTask<AuditRecord> RecordAsync(string actor, string action, string target, object? detail = null, CancellationToken ct = default);

    /// <summary>Reads rows, newest first.</summary>
    ValueTask<AuditPage> QueryAsync(AuditQuery query, CancellationToken ct = default);

    /// <summary>
    /// Walks the whole chain. Finds a changed, removed or inserted row; rows cut off at the end show only against
    /// <paramref name="expectedHead"/>, a head that was noted earlier, elsewhere.
    /// </summary>
    ValueTask<AuditVerification> VerifyAsync(AuditHead? expectedHead = null, CancellationToken ct = default);
}

/// <summary>One row of the audit log.</summary>
/// <param name="Sequence">From 1, without gaps.</param>
/// <param name="At">When, to the millisecond.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What.</param>
/// <param name="Target">Which one.</param>
/// <param name="Detail">JSON text, or null.</param>
/// <param name="Hash">Lower-case hex SHA-256 over the row and the hash before it.</param>
public sealed record AuditRecord(long Sequence, DateTimeOffset At, string Actor, string Action, string Target, string? Detail, string Hash);

/// <summary>Which rows to read. All conditions must hold.</summary>
public sealed record AuditQuery
{
    /// <summary>Exactly this actor.</summary>
    public string? Actor { get; init; }

    /// <summary>Exactly this action.</summary>
    public string? Action { get; init; }

    /// <summary>Exactly this target.</summary>
    public string? Target { get; init; }

    /// <summary>At or after.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Before.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Only rows before this sequence number: <see cref="AuditPage.Next"/> of the page before.</summary>
    public long? Before { get; init; }

    /// <summary>Rows per page, 1 to 1,000. Default 100.</summary>
    public int Limit { get; init; } = 100;
}

/// <summary>A page of rows, newest first.</summary>
/// <param name="Records">The rows.</param>
/// <param name="Next">For <see cref="AuditQuery.Before"/> of the next page; null on the last.</param>
public sealed record AuditPage(IReadOnlyList<AuditRecord> Records, long? Next);

/// <summary>The end of the chain at some moment.</summary>
/// <param name="Sequence">Of the newest row; 0 when there is none.</param>
/// <param name="Hash">Of the newest row.</param>
public sealed record AuditHead(long Sequence, string Hash);

/// <summary>What walking the chain found.</summary>
/// <param name="Head">The last row whose chain is whole.</param>
/// <param name="Fault">What is wrong, naming the row; null when the chain is whole.</param>
public sealed record AuditVerification(AuditHead Head, string? Fault)
{
    /// <summary>True when nothing was tampered with.</summary>
    public bool Intact => Fault is null;
}
