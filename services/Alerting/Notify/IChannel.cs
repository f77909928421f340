namespace Vigil.Alerting.Notify;

/// <summary>How one attempt went.</summary>
/// <param name="Delivered">The other side has it.</param>
/// <param name="Retryable">When not delivered: whether trying again can help.</param>
/// <param name="Reason">When not delivered: a short word for counters (timeout, connection, status_503, ...).</param>
/// <param name="Detail">When not delivered: a sentence.</param>
/// <param name="RetryAfter">How long the other side asks to be left alone.</param>
internal readonly record struct SendResult(bool Delivered, bool Retryable = false, string Reason = "", string Detail = "", TimeSpan? RetryAfter = null)
{
    public static readonly SendResult Ok = new(true);

    public static SendResult Retry(string reason, string detail, TimeSpan? after = null) => new(false, true, reason, detail, after);

    public static SendResult Refused(string reason, string detail) => new(false, false, reason, detail);
}

/// <summary>A way to tell people. May be called from several threads at once.</summary>
internal interface IChannel
{
    /// <summary>Unique among the channels; stored with each delivery.</summary>
    string Name { get; }

    /// <summary>console, file or webhook.</summary>
    string Kind { get; }

    /// <summary>Where it goes, without anything secret.</summary>
    string Target { get; }

    /// <summary>Severities it takes; empty: all.</summary>
    IReadOnlyCollection<string> Severities { get; }

    /// <summary>Makes one attempt. Failures are results; only cancellation throws.</summary>
    Task<SendResult> SendAsync(Page page, CancellationToken ct);
}
