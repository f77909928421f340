using System.Diagnostics;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled.Client;

/// <summary>A call leaves its request and its source of cancellation to the next: nothing of it may go along.</summary>
public sealed class ReuseTests
{
    [Fact]
    public async Task Request_AfterOneWithHeadersOfItsOwn_HasNoneOfThem()
    {
        await using var host = await ProbeHost.StartAsync();
        var seen = new List<string>();
        host.Script.Unary = (note, context) =>
        {
            seen.Add(string.Join(' ', context.GetHttpContext().Request.Headers.Select(h => h.Key.ToLowerInvariant())
                .Where(k => k is "x-mine" or "grpc-timeout" or "grpc-encoding" or "traceparent").Order(StringComparer.Ordinal)));
            return Task.FromResult(note);
        };
        using var channel = GrpcChannel.ForAddress(host.Wire.Address);
        var client = new Probe.ProbeClient(channel);
        var plain = new CallOptions();

        foreach (var options in new[]
        {
            plain, plain, plain.WithHeaders(new Metadata { { "x-mine", "1" } }), plain, plain.WithDeadline(TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1)), plain,
            plain.WithHeaders(new Metadata { { "grpc-internal-encoding-request", "gzip" } }), plain,
        })
        {
            await client.UnaryAsync(new Note { Number = 1 }, options).ResponseAsync.DefaultTimeout();
        }

        Assert.Equal(["", "", "x-mine", "", "grpc-timeout", "", "grpc-encoding", ""], seen);
    }

    [Fact]
    public async Task Request_OfAnotherTrace_CarriesItsOwn()
    {
        await using var host = await ProbeHost.StartAsync();
        var seen = new List<string>();
        host.Script.Unary = (note, context) =>
        {
            seen.Add(context.RequestHeaders.GetValue("traceparent") is { } parent ? parent.Split('-')[1] : "");
            return Task.FromResult(note);
        };
        using var channel = GrpcChannel.ForAddress(host.Wire.Address);
        var client = new Probe.ProbeClient(channel);
        var traces = new List<string>();

        for (var i = 0; i < 3; i++)
        {
            using var trace = new Activity("test").SetIdFormat(ActivityIdFormat.W3C).Start();
            traces.Add(trace.TraceId.ToHexString());
            await client.UnaryAsync(new Note()).ResponseAsync.DefaultTimeout();
        }

        Assert.Equal(traces, seen);
    }

    [Fact]
    public async Task Calls_ManyAtOnceSomeCancelled_EachHasItsOwnAnswer()
    {
        const int Callers = 16, Calls = 60;
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = async (note, context) =>
        {
            // A call that is to be cancelled is never answered.
            if (note.Text == "cancelled") await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return note;
        };
        using var channel = GrpcChannel.ForAddress(host.Wire.Address);
        var client = new Probe.ProbeClient(channel);

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(CallAsync)).DefaultTimeout();

        async Task CallAsync(int caller)
        {
            for (var i = 0; i < Calls; i++)
            {
                // Small and large, so that both kinds of body come one after the other.
                var note = new Note { Number = caller * Calls + i, Data = ByteString.CopyFrom(new byte[i * 7919 % 6000]) };
                if (i % 10 == 5)
                {
                    using var call = client.UnaryAsync(new Note(note) { Text = "cancelled" });
                    call.Dispose();
                    Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).StatusCode);
                }
                Assert.Equal(note, await client.UnaryAsync(note));
            }
        }
    }
}
