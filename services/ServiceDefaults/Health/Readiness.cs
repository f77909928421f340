using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Vigil.ServiceDefaults;

/// <summary>Holds the blockers; is itself the health check that reports them.</summary>
internal sealed partial class Readiness(ILogger<Readiness> log) : IReadiness, IHealthCheck
{
    private readonly Lock gate = new();
    private readonly List<Blocker> blockers = [];

    public IReadOnlyList<string> Reasons
    {
        get { lock (gate) return [.. blockers.Select(b => b.Reason)]; }
    }

    public IDisposable Block(string reason)
    {
        var blocker = new Blocker(this, reason);
        lock (gate) blockers.Add(blocker);
        LogBlocked(reason);
        return blocker;
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var reasons = Reasons;
        return Task.FromResult(reasons.Count == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy(string.Join("; ", reasons)));
    }

    private sealed class Blocker(Readiness owner, string reason) : IDisposable
    {
        public string Reason => reason;

        public void Dispose()
        {
            bool removed, ready;
            lock (owner.gate)
            {
                removed = owner.blockers.Remove(this);
                ready = owner.blockers.Count == 0;
            }
            if (removed) owner.LogReleased(reason, ready ? "ready" : "still others");
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Not ready: {Reason}", EventName = "ReadinessBlocked")]
    private partial void LogBlocked(string reason);

    [LoggerMessage(2, LogLevel.Information, "No longer in the way of readiness: {Reason} ({State})", EventName = "ReadinessReleased")]
    private partial void LogReleased(string reason, string state);
}
