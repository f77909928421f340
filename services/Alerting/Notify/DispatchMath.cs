namespace Vigil.Alerting.Notify;

/// <summary>What the dispatcher decides, as pure functions.</summary>
internal static class DispatchMath
{
    /// <summary>
    /// A page waits no longer because the other side asks for it: "tomorrow" must neither hold it up until then nor, as that is past its age, have it given up.
    /// </summary>
    public static readonly TimeSpan LongestAskedFor = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long to wait after a failed attempt; null to give up. Doubles from the first delay to the longest, varied by a factor
    /// of 0.5 to 1.5 so that the pages of an outage do not come back in step; never shorter than the other side asked for, up to
    /// <see cref="LongestAskedFor"/>.
    /// </summary>
    /// <param name="result">How the attempt went.</param>
    /// <param name="attempts">Attempts made, from 1.</param>
    /// <param name="age">Since the page was decided.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="random">From 0 to 1.</param>
    public static TimeSpan? NextDelay(SendResult result, int attempts, TimeSpan age, RetryOptions options, double random)
    {
        if (!result.Retryable || attempts >= options.MaxAttempts) return null;
        var delay = options.FirstDelay * Math.Pow(2, Math.Min(attempts - 1, 30));
        if (delay > options.LongestDelay) delay = options.LongestDelay;
        delay *= 0.5 + random;
        var asked = result.RetryAfter > LongestAskedFor ? LongestAskedFor : result.RetryAfter;
        if (asked > delay) delay = asked.Value;
        return age + delay > options.MaxAge ? null : delay;
    }

    /// <summary>Whether a channel takes pages of a severity.</summary>
    public static bool Takes(IChannel channel, string severity) =>
        channel.Severities.Count == 0 || channel.Severities.Contains(severity, StringComparer.OrdinalIgnoreCase);

    /// <summary>From the sample that caused the page to <paramref name="now"/>; zero when no sample did.</summary>
    public static TimeSpan Latency(Page page, DateTimeOffset now) =>
        page.CauseReceivedUnixUs == 0 ? TimeSpan.Zero : now - DateTimeOffset.UnixEpoch.AddMicroseconds(page.CauseReceivedUnixUs);
}
