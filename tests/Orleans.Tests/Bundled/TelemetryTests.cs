using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

public sealed class TelemetryTests : IAsyncLifetime
{
    private TestSilo silo = null!;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await silo.DisposeAsync();

    [Fact]
    public async Task Call_Listened_IsTracedFromCallerToGrain()
    {
        using var root = new ActivitySource("test");
        var ended = new System.Collections.Concurrent.ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Microsoft.Orleans.Application" or "test",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        ActivityTraceId trace;
        using (var outer = root.StartActivity("outer")!)
        {
            trace = outer.TraceId;
            await Assert.ThrowsAsync<BasketException>(() => silo.Grains.GetGrain<ICallGrain>("traced").Fail("oh").DefaultTimeout());
            Assert.Same(outer, Activity.Current);
        }
        var spans = ended.Where(span => span.TraceId == trace).ToArray();
        var client = spans.Single(span => span.Kind == ActivityKind.Client);
        var server = spans.Single(span => span.Kind == ActivityKind.Server);
        Assert.Equal("ICallGrain/Fail", client.DisplayName);
        Assert.Equal(client.SpanId, server.ParentSpanId);
        Assert.Equal("orleans", server.GetTagItem("rpc.system"));
        Assert.Equal(typeof(ICallGrain).FullName, server.GetTagItem("rpc.service"));
        Assert.Equal("call/traced", server.GetTagItem("rpc.orleans.target_id"));
        Assert.Equal(ActivityStatusCode.Error, server.Status);
        Assert.Equal(ActivityStatusCode.Error, client.Status);
    }

    [Fact]
    public async Task Calls_AreCountedAndTimed()
    {
        using var listener = new MeterListener();
        var latencies = new System.Collections.Concurrent.ConcurrentQueue<double>();
        var activations = new List<int>();
        var factory = silo.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Microsoft.Orleans" && instrument.Meter.Scope == factory) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) =>
        {
            if (instrument.Name == "orleans-app-requests-latency") latencies.Enqueue(value);
        });
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) =>
        {
            if (instrument.Name == "orleans-catalog-activations") activations.Add(value);
        });
        listener.Start();
        for (var i = 0; i < 5; i++) await silo.Grains.GetGrain<ICallGrain>($"m{i}").Add(1, 2).DefaultTimeout();
        listener.RecordObservableInstruments();
        Assert.Equal(5, latencies.Count);
        Assert.Equal([5], activations);
    }

    [Fact]
    public async Task Call_ThatNobodyListensTo_AllocatesLittle()
    {
        var grain = silo.Grains.GetGrain<ICallGrain>("hot");
        for (var i = 0; i < 2_000; i++) await grain.Add(1, 2);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        const int calls = 20_000;
        for (var i = 0; i < calls; i++) await grain.Add(1, 2);
        var perCall = (GC.GetTotalAllocatedBytes(precise: true) - before) / calls;
        // The call, its completion source, the task, and the task of the grain's own result. Other tests of the run may add to it.
        Assert.InRange(perCall, 1, 1_000);
    }
}
