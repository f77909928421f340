using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Vigil.ServiceDefaults;

/// <summary>Holds the blockers; is itself the health check that reports them.</summary>
internal sealed class Readiness : IReadiness, IHealthCheck
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
            lock (owner.gate) owner.blockers.Remove(this);
        }
    }
}
