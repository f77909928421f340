using Grpc.Core;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.V1;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Limits;

/// <summary>One more than each limit of push streams allows: refused by the option's name, counted, and what was there goes on.</summary>
public sealed class PushLimitTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task SeriesOfAStream_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerStream", "3")]);
        using var push = await host.OpenAsync("s", ("job", "api"));
        await push.DeclareAsync([.. Enumerable.Range(1, 3).Select(i => PushClient.Series((uint)i, "m", ("i", $"{i}")))]);
        await push.DeclareAsync(4, "m", ("i", "4"));
        var refusal = await push.RefusalAsync();
        Assert.Equal((4u, RefusalReason.SeriesLimit), (refusal.SeriesId, refusal.Reason));
        Assert.Equal("the stream has 3 series, which is as many as may be (Metrics:MaxSeriesPerStream)", refusal.Detail);
        await AssertCountedAsync(host, "series_limit", 1);
        await push.SendAsync(1, (1, Now, 1), (2, Now, 1), (3, Now, 1));
        Assert.Equal(3u, (await push.AckAsync()).Accepted);
    }

    [Fact]
    public async Task SeriesOfACaller_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerCaller", "3")]);
        using var one = await host.OpenAsync("s1", ("job", "api"));
        using var two = await host.OpenAsync("s2", ("job", "api"));
        await one.DeclareAsync(PushClient.Series(1, "a"), PushClient.Series(2, "b"));
        await one.SendAsync(1, (1, Now, 1));
        await one.AckAsync();
        await two.DeclareAsync(PushClient.Series(1, "c"), PushClient.Series(2, "d"));
        var refusal = await two.RefusalAsync();
        Assert.Equal((2u, RefusalReason.SeriesLimit), (refusal.SeriesId, refusal.Reason));
        Assert.Equal("the caller has 3 series on its open streams, which is as many as may be (Metrics:MaxSeriesPerCaller)", refusal.Detail);
        await AssertCountedAsync(host, "series_limit", 1);

        var failure = await RefusedStreamAsync(host, "s3");
        Assert.Equal("the caller has 3 series on its open streams, which is as many as may be (Metrics:MaxSeriesPerCaller): no further stream is opened", failure.Status.Detail);
        await AssertRequestCountedAsync(host, "resource_exhausted", 1);
        await one.SendAsync(2, (1, Now + 1, 1), (2, Now + 1, 1));
        Assert.Equal(2u, (await one.AckAsync()).Accepted);
        await two.SendAsync(1, (1, Now, 1));
        Assert.Equal(1u, (await two.AckAsync()).Accepted);
    }

    [Fact]
    public async Task Streams_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxPushStreams", "2")]);
        using var one = await host.OpenAsync("s1", ("job", "api"));
        using var two = await host.OpenAsync("s2", ("job", "api"));
        var failure = await RefusedStreamAsync(host, "s3");
        Assert.Equal("2 push streams are open, which is as many as may be (Metrics:MaxPushStreams)", failure.Status.Detail);
        await AssertRequestCountedAsync(host, "resource_exhausted", 1);
        foreach (var (stream, name) in new[] { (one, "a"), (two, "b") })
        {
            await stream.DeclareAsync(1, name);
            await stream.SendAsync(1, (1, Now, 1));
            Assert.Equal(1u, (await stream.AckAsync()).Accepted);
        }
    }

    [Fact]
    public async Task SamplesOfAFrame_OneTooMany_AreRefusedByName_Counted_AndTheStreamGoesOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSamplesPerFrame", "4")]);
        using var push = await host.OpenAsync("s", ("job", "api"));
        await push.DeclareAsync(1, "m");
        var start = Now - 60_000;
        await push.SendAsync(1, [.. Enumerable.Range(0, 5).Select(i => (1u, start + i, 1.0))]);
        var refusal = await push.RefusalAsync();
        Assert.Equal((RefusalReason.FrameTooLarge, 5u), (refusal.Reason, refusal.Samples));
        Assert.Equal("frame.values: 5 samples; at most 4 in a frame (Metrics:MaxSamplesPerFrame)", refusal.Detail);
        Assert.Equal((0u, 5u), await push.AckAsync() is var ack ? (ack.Accepted, ack.Refused) : default);
        await AssertCountedAsync(host, "frame_too_large", 5);
        await push.SendAsync(2, [.. Enumerable.Range(0, 4).Select(i => (1u, start + i, 1.0))]);
        Assert.Equal(4u, (await push.AckAsync()).Accepted);
    }

    [Fact]
    public async Task StreamsRemembered_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxStreamsRemembered", "2")]);
        using var one = await OpenAsync(host, "s1", "a");
        using var two = await OpenAsync(host, "s2", "b");
        foreach (var stream in new[] { one, two })
        {
            await stream.SendAsync(1, (1, Now, 1));
            Assert.Equal(1u, (await stream.AckAsync()).Accepted);
        }
        using var three = await OpenAsync(host, "s3", "c");
        await three.SendAsync(1, (1, Now, 1));
        var failure = await three.FailureAsync();
        Assert.Equal((StatusCode.ResourceExhausted, "service \"api\" remembers 2 streams, which is as many as may be (Metrics:MaxStreamsRemembered)"), (failure.StatusCode, failure.Status.Detail));
        await AssertRequestCountedAsync(host, "resource_exhausted", 1);
        await one.SendAsync(2, (1, Now + 1, 1));
        Assert.Equal(1u, (await one.AckAsync()).Accepted);
    }

    private static async Task<PushClient> OpenAsync(MetricsHost host, string stream, string metric)
    {
        var push = await host.OpenAsync(stream, ("job", "api"));
        await push.DeclareAsync(1, metric);
        return push;
    }

    private static async Task<RpcException> RefusedStreamAsync(MetricsHost host, string stream)
    {
        using var call = host.Ingest.Push(MetricsHost.Auth);
        try
        {
            await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = stream } }).DefaultTimeout();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // The server may end the call before it reads what is sent: the response says why.
        }
        var failure = await new PushClient(call).FailureAsync();
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        return failure;
    }

    private static async Task AssertCountedAsync(MetricsHost host, string cause, int samples) =>
        Assert.Equal(samples, await Counters.SumAsync(host, "vigil_metrics_samples_refused_total", "door=\"push\"", $"cause=\"{cause}\""));

    private static async Task AssertRequestCountedAsync(MetricsHost host, string reason, int requests) =>
        Assert.Equal(requests, await Counters.SumAsync(host, "vigil_metrics_requests_refused_total", "door=\"push\"", $"reason=\"{reason}\""));
}
