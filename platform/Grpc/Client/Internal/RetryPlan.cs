using Grpc.Core;
using Grpc.Net.Client.Configuration;

namespace Grpc.Net.Client.Internal;

/// <summary>A <see cref="RetryPolicy"/> that was checked. Proposal A6.</summary>
internal sealed record RetryPlan(int MaxAttempts, TimeSpan InitialBackoff, TimeSpan MaxBackoff, double Multiplier, HashSet<StatusCode> Codes)
{
    public static RetryPlan Create(RetryPolicy policy, int? attemptsCap)
    {
        if (policy.MaxAttempts is not >= 2) throw Invalid(nameof(policy.MaxAttempts), policy.MaxAttempts, "at least 2");
        if (policy.InitialBackoff is not { } initial || initial <= TimeSpan.Zero) throw Invalid(nameof(policy.InitialBackoff), policy.InitialBackoff, "above zero");
        if (policy.MaxBackoff is not { } longest || longest <= TimeSpan.Zero) throw Invalid(nameof(policy.MaxBackoff), policy.MaxBackoff, "above zero");
        if (policy.BackoffMultiplier is not > 0) throw Invalid(nameof(policy.BackoffMultiplier), policy.BackoffMultiplier, "above zero");
        if (policy.RetryableStatusCodes.Count == 0) throw Invalid(nameof(policy.RetryableStatusCodes), "empty", "at least one status");
        var attempts = Math.Min(policy.MaxAttempts.Value, attemptsCap ?? int.MaxValue);
        return new(attempts, initial, longest, policy.BackoffMultiplier.Value, [.. policy.RetryableStatusCodes]);
    }

    private static InvalidOperationException Invalid(string property, object? value, string wanted) =>
        new($"Retry policy: {property} is {value ?? "not set"}; it must be {wanted}.");
}

/// <summary>One call's way through its plan: says after each failure how long to wait, or that it is over.</summary>
internal sealed class RetryProgress(RetryPlan plan, Random random)
{
    private double longestWaitMs = plan.InitialBackoff.TotalMilliseconds;
    private volatile bool stopped;

    public int Attempt { get; private set; } = 1;

    public void Stop() => stopped = true;

    /// <summary>
    /// The wait before the next attempt, or null. A pushback is the server's own word (grpc-retry-pushback-ms): a number of
    /// milliseconds, and anything that is not one means "do not retry".
    /// </summary>
    public TimeSpan? Next(StatusCode failure, string? pushback, RetryBudget budget)
    {
        var told = pushback is null ? (int?)null : int.TryParse(pushback, out var ms) ? ms : -1;
        var worthwhile = plan.Codes.Contains(failure);
        // Only failures that a retry could mend count against the channel; INVALID_ARGUMENT says nothing about the server's health.
        if (worthwhile || told < 0) budget.Failed();
        if (stopped || budget.Throttled || Attempt >= plan.MaxAttempts) return null;
        double waitMs;
        if (told is not null)
        {
            if (told < 0) return null;
            waitMs = told.Value;
            // The back-off starts anew after a wait that the server chose.
            longestWaitMs = plan.InitialBackoff.TotalMilliseconds;
        }
        else
        {
            if (!worthwhile) return null;
            waitMs = random.NextDouble() * Math.Min(longestWaitMs, plan.MaxBackoff.TotalMilliseconds);
            longestWaitMs = Math.Min(longestWaitMs * plan.Multiplier, plan.MaxBackoff.TotalMilliseconds);
        }
        Attempt++;
        return TimeSpan.FromMilliseconds(waitMs);
    }
}

/// <summary>What the calls of one channel share about retries: the throttle's tokens and the bytes kept for sending again.</summary>
internal sealed class RetryBudget(RetryThrottlingPolicy? throttling, long? maxBytes)
{
    private readonly Lock gate = new();
    private readonly double maxTokens = throttling?.MaxTokens ?? 0;
    private readonly double ratio = throttling?.TokenRatio ?? 0;
    private double tokens = throttling?.MaxTokens ?? 0;
    private long bytes;

    public bool Throttled
    {
        get { lock (gate) return throttling is not null && tokens <= maxTokens / 2; }
    }

    public void Failed()
    {
        lock (gate) tokens = Math.Max(0, tokens - 1);
    }

    public void Succeeded()
    {
        lock (gate) tokens = Math.Min(maxTokens, tokens + ratio);
    }

    public bool TryKeep(int size)
    {
        lock (gate)
        {
            if (bytes + size > maxBytes) return false;
            bytes += size;
            return true;
        }
    }

    public void Release(long size)
    {
        lock (gate) bytes -= size;
    }
}
