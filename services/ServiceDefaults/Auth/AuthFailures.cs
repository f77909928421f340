using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.Extensions.Logging;

namespace Vigil.ServiceDefaults;

/// <summary>Counts failed authentications by reason. Logs each reason at most once per ten seconds: an attacker must not fill the disk.</summary>
internal sealed partial class AuthFailures
{
    public static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Throttle> throttles = new();
    private readonly Counter<long> failures;
    private readonly TimeProvider clock;
    private readonly ILogger<AuthFailures> log;

    public AuthFailures(IMeterFactory meters, TimeProvider clock, ILogger<AuthFailures> log)
    {
        failures = meters.Create(ServiceDefaultsExtensions.MeterName).CreateCounter<long>("vigil.auth.failures", "{request}", "Requests refused for want of a valid token or scope, by reason.");
        this.clock = clock;
        this.log = log;
    }

    public void Record(string reason, IPAddress? from, string path)
    {
        failures.Add(1, new TagList { { "reason", reason } });
        var throttle = throttles.GetOrAdd(reason, _ => new Throttle());
        if (throttle.TryPass(clock.GetUtcNow(), out var suppressed)) LogFailure(reason, from, path, suppressed);
    }

    private sealed class Throttle
    {
        private readonly Lock gate = new();
        private DateTimeOffset next = DateTimeOffset.MinValue;
        private long held;

        public bool TryPass(DateTimeOffset now, out long suppressed)
        {
            lock (gate)
            {
                suppressed = held;
                if (now < next)
                {
                    held++;
                    return false;
                }
                next = now + LogInterval;
                held = 0;
                return true;
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Refused a request from {From} for {Path}: {Reason} ({Suppressed} more of this kind since the last such line)", EventName = "AuthenticationFailed")]
    private partial void LogFailure(string reason, IPAddress? from, string path, long suppressed);
}
