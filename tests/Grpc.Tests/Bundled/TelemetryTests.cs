using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.AspNetCore.Server.Internal;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

public sealed class TelemetryTests
{
    [Fact]
    public async Task Call_Traced_WithRpcTags()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, _) => throw new RpcException(new Status(StatusCode.DataLoss, "gone"));
        var stopped = new TaskCompletionSource<Activity>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == "Microsoft.AspNetCore",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = a =>
            {
                if (Equals(a.GetTagItem("rpc.method"), "Unary") && Equals(a.GetTagItem("rpc.grpc.status_code"), 15)) stopped.TrySetResult(a);
            },
        };
        ActivitySource.AddActivityListener(listener);
        await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        var activity = await stopped.Task.DefaultTimeout();
        Assert.Equal("grpc", activity.GetTagItem("rpc.system"));
        Assert.Equal("vigil.probe.v1.Probe", activity.GetTagItem("rpc.service"));
        Assert.Equal(ActivityStatusCode.Error, activity.Status);
    }

    [Fact]
    public async Task Call_Counted_ByMethodAndStatus()
    {
        await using var host = await ProbeHost.StartAsync();
        var recorded = new TaskCompletionSource<Dictionary<string, object?>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var factory = host.Services.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == GrpcServerMetrics.MeterName && ReferenceEquals(instrument.Meter.Scope, factory)) l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, seconds, tags, _) =>
        {
            Assert.True(seconds >= 0);
            recorded.TrySetResult(tags.ToArray().ToDictionary(t => t.Key, t => t.Value));
        });
        listener.Start();
        await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout();
        var tags = await recorded.Task.DefaultTimeout();
        Assert.Equal(("vigil.probe.v1.Probe", "Expand", 0), (tags["rpc.service"], tags["rpc.method"], tags["rpc.grpc.status_code"]));
    }
}
