using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>How many long calls may be open in this process.</summary>
internal sealed class StreamLimits(IOptions<MetricsOptions> options, MetricsInstruments instruments)
{
    private readonly Places push = new(options.Value.MaxPushStreams, "push streams", nameof(MetricsOptions.MaxPushStreams), instruments.PushStreams);
    private readonly Places watch = new(options.Value.MaxWatchStreams, "Watch calls", nameof(MetricsOptions.MaxWatchStreams), instruments.WatchStreams);

    private readonly Places write = new(options.Value.MaxWriteRequests, "write requests", nameof(MetricsOptions.MaxWriteRequests), instruments.WriteRequests);

    /// <summary>Takes a place for a push stream, until the result is disposed.</summary>
    /// <exception cref="RefusalException">All are taken.</exception>
    public IDisposable EnterPush() => push.Enter();

    /// <summary>Takes a place for a remote write or OTLP/HTTP request, until the result is disposed.</summary>
    /// <exception cref="RefusalException">All are taken.</exception>
    public IDisposable EnterWrite() => write.Enter();

    /// <summary>Takes a place for a Watch call, until the result is disposed.</summary>
    /// <exception cref="RefusalException">All are taken.</exception>
    public IDisposable EnterWatch() => watch.Enter();

    private sealed class Places(int most, string what, string key, UpDownCounter<long> counter)
    {
        private int taken;

        public IDisposable Enter()
        {
            if (Interlocked.Increment(ref taken) > most)
            {
                Interlocked.Decrement(ref taken);
                throw new RefusalException(RefusalKind.ResourceExhausted, $"{most} {what} are open, which is as many as may be (Metrics:{key})");
            }
            counter.Add(1);
            return new Place(this);
        }

        private void Leave()
        {
            Interlocked.Decrement(ref taken);
            counter.Add(-1);
        }

        private sealed class Place(Places places) : IDisposable
        {
            private Places? places = places;

            public void Dispose()
            {
                Interlocked.Exchange(ref places, null)?.Leave();
            }
        }
    }
}
