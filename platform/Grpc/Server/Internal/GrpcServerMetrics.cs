using System.Diagnostics.Metrics;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Calls by method and status (OpenTelemetry semantic conventions for RPC).</summary>
internal sealed class GrpcServerMetrics
{
    public const string MeterName = "Grpc.AspNetCore.Server";

    private readonly Histogram<double> duration;
    private readonly UpDownCounter<long> active;
    private readonly object[] codes = [.. Enumerable.Range(0, 17).Select(i => (object)i)];

    public GrpcServerMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        duration = meter.CreateHistogram<double>("rpc.server.call.duration", "s", "How long calls took, by method and status.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });
        active = meter.CreateUpDownCounter<long>("rpc.server.active_calls", "{call}", "Calls that run now, by method.");
    }

    /// <summary>Whether anyone listens; a call that nobody measures reads no clock.</summary>
    public bool Enabled => duration.Enabled || active.Enabled;

    public void Started(MethodState method) => active.Add(1, method.ServiceTag, method.MethodTag);

    public void Ended(MethodState method, StatusCode status, TimeSpan elapsed)
    {
        active.Add(-1, method.ServiceTag, method.MethodTag);
        duration.Record(elapsed.TotalSeconds, new("rpc.system", "grpc"), method.ServiceTag, method.MethodTag, new("rpc.grpc.status_code", Code(status)));
    }

    public object Code(StatusCode status) => (uint)status < (uint)codes.Length ? codes[(int)status] : (int)status;
}
