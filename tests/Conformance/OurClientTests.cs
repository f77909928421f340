using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;

namespace Vigil.Conformance;

/// <summary>Our client against a server that others wrote: grpc-js.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class OurClientTests(ConformanceFixture fixture) : IAsyncLifetime
{
    private const string Unicode = "größer → 大きい 🚀 100%\nnext line";
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    private readonly List<GrpcChannel> channels = [];
    private Driver driver = null!;
    private int port;

    public async Task InitializeAsync()
    {
        driver = await fixture.DriverAsync(DriverSetup.Node);
        port = await ServeAsync();
    }

    private async Task<int> ServeAsync(JsonObject? options = null) =>
        (await driver.SendAsync("serve", options ?? new JsonObject { ["maxReceive"] = ConformanceServer.MaxMessage }).DefaultTimeout()).GetProperty("port").GetInt32();

    public async Task DisposeAsync()
    {
        foreach (var channel in channels) channel.Dispose();
        await driver.SendAsync("stop", new JsonObject { ["port"] = port }).DefaultTimeout();
    }

    private Conformance.ConformanceClient Client(GrpcChannelOptions? options = null, Uri? address = null)
    {
        var channel = GrpcChannel.ForAddress(address ?? new Uri($"http://127.0.0.1:{port}"), options ?? new GrpcChannelOptions { MaxReceiveMessageSize = ConformanceServer.MaxMessage });
        channels.Add(channel);
        return new Conformance.ConformanceClient(channel);
    }

    private static DateTime In(TimeSpan time) => TimeProvider.System.GetUtcNow().UtcDateTime + time;

    private async Task<int> ProbeAsync(string name, string count) => (await driver.SendAsync("probe", new JsonObject { ["name"] = name })).GetProperty(count).GetInt32();

    private Task UntilProbe(string name, string count) => Waiting.Until(async () => await ProbeAsync(name, count) > 0, $"{name} is {count}");

    private static ByteString Zeros(int size) => UnsafeByteOperations.UnsafeWrap(new byte[size]);

    [FactWithDriver]
    public async Task Unary_MessageWithBytesAndText_ComesBack()
    {
        var answer = await Client().EchoAsync(new Ask { Text = Unicode, Payload = ByteString.CopyFrom(0, 1, 255) }).ResponseAsync.DefaultTimeout();

        Assert.Equal(Unicode, answer.Text);
        Assert.Equal([0, 1, 255], answer.Payload.ToByteArray());
    }

    [FactWithDriver]
    public async Task Unary_EmptyMessage_ComesBackEmpty() => Assert.Equal(new Answer(), await Client().EchoAsync(new Ask()).ResponseAsync.DefaultTimeout());

    [FactWithDriver]
    public async Task Unary_EightMegabytesEachWay_Arrive()
    {
        var answer = await Client().EchoAsync(new Ask { Payload = Zeros(8 * 1024 * 1024) }).ResponseAsync.DefaultTimeout();

        Assert.Equal(8 * 1024 * 1024, answer.Payload.Length);
    }

    [FactWithDriver]
    public async Task ClientStream_TenThousandMessages_AllCounted()
    {
        using var call = Client().Collect();
        for (var i = 0; i < 10_000; i++) await call.RequestStream.WriteAsync(new Ask { Payload = Zeros(10) }).DefaultTimeout();
        await call.RequestStream.CompleteAsync();
        var answer = await call.ResponseAsync.DefaultTimeout();

        Assert.Equal((10_000L, 100_000L), (answer.Number, answer.Total));
    }

    [FactWithDriver]
    public async Task ServerStream_TenThousandMessages_AllArriveInOrder()
    {
        using var call = Client().Expand(new Ask { Count = 10_000, Size = 10 });
        var next = 0;
        while (await call.ResponseStream.MoveNext().DefaultTimeout()) Assert.Equal(next++, call.ResponseStream.Current.Number);

        Assert.Equal(10_000, next);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [FactWithDriver]
    public async Task Bidi_TenThousandMessagesEachWay_AllArriveInOrder()
    {
        using var call = Client().Chat();
        var writing = WriteAsync();
        var next = 0;
        while (await call.ResponseStream.MoveNext().DefaultTimeout()) Assert.Equal(next++, call.ResponseStream.Current.Number);
        await writing.DefaultTimeout();

        Assert.Equal(10_000, next);

        async Task WriteAsync()
        {
            for (var i = 0; i < 10_000; i++) await call.RequestStream.WriteAsync(new Ask { Count = i, Payload = Zeros(10) });
            await call.RequestStream.CompleteAsync();
        }
    }

    [TheoryWithDriver, MemberData(nameof(Rows.Codes), MemberType = typeof(Rows))]
    public async Task Unary_ServerEndsWithStatus_CallerSeesCodeAndMessage(int code)
    {
        var call = Client().FailAsync(new Ask { Code = code, Text = $"code {code}" });
        if (code == 0)
        {
            Assert.Equal("code 0", (await call.ResponseAsync.DefaultTimeout()).Text);
        }
        else
        {
            var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout());
            Assert.Equal(((StatusCode)code, $"code {code}"), (error.StatusCode, error.Status.Detail));
        }
        Assert.Equal((StatusCode)code, call.GetStatus().StatusCode);
    }

    [FactWithDriver]
    public async Task ServerStream_FailsAfterMessages_MessagesThenStatus()
    {
        using var call = Client().Expand(new Ask { Count = 3, Code = (int)StatusCode.DataLoss, Text = "no more" });
        for (var i = 0; i < 3; i++) Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
        var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().DefaultTimeout());

        Assert.Equal((StatusCode.DataLoss, "no more"), (error.StatusCode, error.Status.Detail));
    }

    [FactWithDriver]
    public async Task Unary_UnicodeStatusMessage_ArrivesWhole()
    {
        var error = await Assert.ThrowsAsync<RpcException>(() => Client().FailAsync(new Ask { Code = 10, Text = Unicode }).ResponseAsync.DefaultTimeout());

        Assert.Equal(Unicode, error.Status.Detail);
    }

    [FactWithDriver]
    public async Task Unary_MetadataTextAndBinary_ComesBackInHeadersAndTrailers()
    {
        var name = Encoding.UTF8.GetBytes(Unicode);
        var call = Client().EchoAsync(new Ask(), new Metadata
        {
            { "x-h-text", "plain value" }, { "x-h-bytes-bin", [0, 1, 255] }, { "x-h-name-bin", name }, { "x-h-empty-bin", [] }, { "x-t-text", "trailing" }, { "x-t-bytes-bin", [255, 1] },
        });
        await call.ResponseAsync.DefaultTimeout();
        var headers = await call.ResponseHeadersAsync.DefaultTimeout();
        var trailers = call.GetTrailers();

        Assert.Equal("plain value", headers.GetValue("x-h-text"));
        Assert.Equal([0, 1, 255], headers.GetValueBytes("x-h-bytes-bin"));
        Assert.Equal(name, headers.GetValueBytes("x-h-name-bin"));
        Assert.Equal(Array.Empty<byte>(), headers.GetValueBytes("x-h-empty-bin"));
        Assert.Equal("trailing", trailers.GetValue("x-t-text"));
        Assert.Equal([255, 1], trailers.GetValueBytes("x-t-bytes-bin"));
    }

    [FactWithDriver]
    public async Task Unary_RichError_DetailsArriveAsSent()
    {
        byte[] details = [8, 3, 18, 3, 98, 97, 100];
        var error = await Assert.ThrowsAsync<RpcException>(() => Client().FailAsync(new Ask { Code = 3, Text = "bad", Payload = ByteString.CopyFrom(details) }).ResponseAsync.DefaultTimeout());

        Assert.Equal(details, error.Trailers.GetValueBytes("grpc-status-details-bin"));
    }

    [FactWithDriver]
    public async Task Unary_UnknownMethod_Unimplemented()
    {
        Client();
        var health = new HealthV1.Health.HealthClient(channels[^1]);
        var error = await Assert.ThrowsAsync<RpcException>(() => health.CheckAsync(new()).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.Unimplemented, error.StatusCode);
    }

    [FactWithDriver]
    public async Task Deadline_ServerNeverAnswers_DeadlineExceededAndServerSeesCancel()
    {
        var probe = Guid.NewGuid().ToString();
        var error = await Assert.ThrowsAsync<RpcException>(() => Client().WaitAsync(new Ask { Probe = probe }, deadline: In(Short)).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
        await UntilProbe(probe, "cancelled");
    }

    [FactWithDriver]
    public async Task Deadline_NothingListensAtAll_DeadlineExceeded()
    {
        // Takes the connection and never says a word: not even HTTP/2's preface.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var client = Client(address: new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}"));
        var error = await Assert.ThrowsAsync<RpcException>(() => client.EchoAsync(new Ask(), deadline: In(Short)).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
    }

    [FactWithDriver]
    public async Task Deadline_AlreadyPast_NeverSent()
    {
        var probe = Guid.NewGuid().ToString();
        var error = await Assert.ThrowsAsync<RpcException>(() => Client().WaitAsync(new Ask { Probe = probe }, deadline: In(-Short)).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
        Assert.Equal(0, await ProbeAsync(probe, "started"));
    }

    [FactWithDriver]
    public async Task Deadline_GivenByCaller_IsKnownToServer()
    {
        var answer = await Client().TimeLeftAsync(new Ask(), deadline: In(TimeSpan.FromSeconds(20))).ResponseAsync.DefaultTimeout();

        Assert.InRange(answer.Number, 1, 20_000);
    }

    [FactWithDriver]
    public async Task Cancel_ByTokenInTheMiddleOfBidi_CancelledAndServerSeesIt()
    {
        var probe = Guid.NewGuid().ToString();
        using var stop = new CancellationTokenSource();
        using var call = Client().Chat(new Metadata { { "probe", probe } }, cancellationToken: stop.Token);
        await call.RequestStream.WriteAsync(new Ask { Text = "one" }).DefaultTimeout();
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        var reading = call.ResponseStream.MoveNext();
        await stop.CancelAsync();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => reading.DefaultTimeout())).StatusCode);
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new Ask()).DefaultTimeout())).StatusCode);
        await UntilProbe(probe, "cancelled");
    }

    [FactWithDriver]
    public async Task Cancel_ByDisposeInTheMiddleOfServerStream_ServerSeesIt()
    {
        var probe = Guid.NewGuid().ToString();
        var call = Client().Expand(new Ask { Count = int.MaxValue, Size = 100, Probe = probe });
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());

        call.Dispose();

        await UntilProbe(probe, "cancelled");
        Assert.Equal(StatusCode.Cancelled, call.GetStatus().StatusCode);
    }

    [FactWithDriver]
    public async Task Cancel_AsOperationCanceled_WhereTheChannelSaysSo()
    {
        using var stop = new CancellationTokenSource();
        var probe = Guid.NewGuid().ToString();
        var call = Client(new GrpcChannelOptions { ThrowOperationCanceledOnCancellation = true }).WaitAsync(new Ask { Probe = probe }, cancellationToken: stop.Token);
        await UntilProbe(probe, "started");

        await stop.CancelAsync();

        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.ResponseAsync.DefaultTimeout());
        Assert.Equal(stop.Token, error.CancellationToken);
    }

    [FactWithDriver]
    public async Task Compressed_BothWays_AreUnpacked()
    {
        var packing = await ServeAsync(new JsonObject { ["compress"] = true });
        var client = Client(address: new Uri($"http://127.0.0.1:{packing}"));
        var gzip = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        var answer = await client.EchoAsync(new Ask { Payload = Zeros(50_000), Text = Unicode }, gzip).ResponseAsync.DefaultTimeout();
        using var stream = client.Expand(new Ask { Count = 10, Size = 5_000 }, gzip);
        var total = 0;
        while (await stream.ResponseStream.MoveNext().DefaultTimeout()) total += stream.ResponseStream.Current.Payload.Length;
        await driver.SendAsync("stop", new JsonObject { ["port"] = packing });

        Assert.Equal((50_000, Unicode), (answer.Payload.Length, answer.Text));
        Assert.Equal(50_000, total);
    }

#if !PACKAGESET_OFFICIAL   // whose client unpacks the whole of it
    [FactWithDriver]
    public async Task Compressed_ResponseThatUnpacksOverTheLimit_ResourceExhausted()
    {
        var packing = await ServeAsync(new JsonObject { ["compress"] = true, ["maxReceive"] = ConformanceServer.MaxMessage });
        var client = Client(new GrpcChannelOptions { MaxReceiveMessageSize = 100_000 }, new Uri($"http://127.0.0.1:{packing}"));
        var error = await Assert.ThrowsAsync<RpcException>(() => client.EchoAsync(new Ask { Payload = Zeros(1_000_000) }).ResponseAsync.DefaultTimeout());
        await driver.SendAsync("stop", new JsonObject { ["port"] = packing });

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
    }
#endif

    [FactWithDriver]
    public async Task Oversized_OverTheServersLimit_ResourceExhausted()
    {
        var error = await Assert.ThrowsAsync<RpcException>(() => Client().EchoAsync(new Ask { Payload = Zeros(ConformanceServer.MaxMessage) }).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
    }

    [TheoryWithDriver, InlineData(1000, false), InlineData(999, true)]
    public async Task Oversized_OverTheClientsSendLimit_ResourceExhausted(int limit, bool refused)
    {
        var ask = new Ask { Payload = Zeros(1000 - 3) };
        Assert.Equal(1000, ask.CalculateSize());
        var call = Client(new GrpcChannelOptions { MaxSendMessageSize = limit }).EchoAsync(ask);

        if (refused) Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
        else Assert.Equal(ask.Payload, (await call.ResponseAsync.DefaultTimeout()).Payload);
    }

    [TheoryWithDriver, InlineData(1000, false), InlineData(999, true)]
    public async Task Oversized_OverTheClientsReceiveLimit_ResourceExhausted(int limit, bool refused)
    {
        // An answer with 997 bytes of payload takes 1000: from our server; grpc-js spells out empty fields too.
        var call = Client(new GrpcChannelOptions { MaxReceiveMessageSize = limit }, fixture.Server.Address).EchoAsync(new Ask { Payload = Zeros(1000 - 3) });

        if (refused) Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
        else Assert.Equal(997, (await call.ResponseAsync.DefaultTimeout()).Payload.Length);
    }

    [FactWithDriver]
    public async Task ConnectionCut_InTheMiddleOfCall_UnavailableAndTheNextCallReconnects()
    {
        await using var proxy = new TcpProxy(new Uri($"http://127.0.0.1:{port}"));
        var client = Client(address: proxy.Address);
        var probe = Guid.NewGuid().ToString();
        var call = client.WaitAsync(new Ask { Probe = probe });
        await UntilProbe(probe, "started");

        proxy.Cut();

        Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
        await UntilProbe(probe, "cancelled");
        Assert.Equal("again", (await client.EchoAsync(new Ask { Text = "again" }, new CallOptions().WithWaitForReady()).ResponseAsync.DefaultTimeout()).Text);
    }

    [FactWithDriver]
    public async Task NothingListens_CallFailsAtOnce_Unavailable()
    {
        var unused = await ServeAsync();
        await driver.SendAsync("stop", new JsonObject { ["port"] = unused });
        var error = await Assert.ThrowsAsync<RpcException>(() => Client(address: new Uri($"http://127.0.0.1:{unused}")).EchoAsync(new Ask()).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
    }

    [FactWithDriver]
    public async Task SlowServer_DoesNotRead_ClientsWriterIsHeldBack()
    {
        var probe = Guid.NewGuid().ToString();
        using var call = Client().CollectLate(new Metadata { { "probe", probe } });
        await UntilProbe(probe, "started");
        var message = new Ask { Payload = Zeros(100_000) };
        var written = 0;
        Task writing;
        do
        {
            writing = call.RequestStream.WriteAsync(message);
            written++;
        }
        while (await Task.WhenAny(writing, Task.Delay(TimeSpan.FromSeconds(1))) == writing && written < 1000);

        // grpc-js takes in some windows' worth, not a hundred megabytes.
        Assert.InRange(written, 1, 500);
        await driver.SendAsync("release", new JsonObject { ["name"] = probe });
        await writing.DefaultTimeout();
        await call.RequestStream.CompleteAsync();
        Assert.Equal(written, (await call.ResponseAsync.DefaultTimeout()).Number);
    }

    [FactWithDriver]
    public async Task SlowReader_StopsReading_ServerIsHeldBackThenAllArrives()
    {
        var probe = Guid.NewGuid().ToString();
        using var call = Client().Expand(new Ask { Count = 5_000, Size = 20_000, Probe = probe });
        Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
        int last = -1, same = 0;
        await Waiting.Until(async () =>
        {
            var written = await ProbeAsync(probe, "written");
            same = written == last ? same + 1 : 0;
            last = written;
            return same == 15;
        }, "the server is held back");

        Assert.InRange(last, 1, 2_500);
        var count = 1;
        while (await call.ResponseStream.MoveNext().DefaultTimeout()) count++;
        Assert.Equal(5_000, count);
    }

    private static GrpcChannelOptions Retrying(params StatusCode[] codes)
    {
        var policy = new RetryPolicy { MaxAttempts = 4, InitialBackoff = TimeSpan.FromMilliseconds(5), MaxBackoff = TimeSpan.FromMilliseconds(20), BackoffMultiplier = 1.5 };
        foreach (var code in codes) policy.RetryableStatusCodes.Add(code);
        return new GrpcChannelOptions { ServiceConfig = new ServiceConfig { MethodConfigs = { new MethodConfig { Names = { MethodName.Default }, RetryPolicy = policy } } } };
    }

    [FactWithDriver]
    public async Task Retry_TwoFailuresThenSuccess_CallerSeesTheSuccess()
    {
        var call = Client(Retrying(StatusCode.Unavailable)).FailAsync(new Ask { Code = 14, Count = 2, Probe = Guid.NewGuid().ToString() });
        var answer = await call.ResponseAsync.DefaultTimeout();

        // The third attempt says that two went before it.
        Assert.Equal((3L, "2"), (answer.Number, answer.Text));
        Assert.Equal("2", (await call.ResponseHeadersAsync).GetValue("grpc-previous-rpc-attempts"));
    }

    [TheoryWithDriver, InlineData(StatusCode.Unavailable, 4), InlineData(StatusCode.InvalidArgument, 1)]
    public async Task Retry_EveryAttemptFails_StatusAfterAsManyAttemptsAsThePolicySays(StatusCode code, int attempts)
    {
        var probe = Guid.NewGuid().ToString();
        var error = await Assert.ThrowsAsync<RpcException>(() => Client(Retrying(StatusCode.Unavailable)).FailAsync(new Ask { Code = (int)code, Text = "still", Probe = probe }).ResponseAsync.DefaultTimeout());

        Assert.Equal((code, "still"), (error.StatusCode, error.Status.Detail));
        Assert.Equal(attempts, await ProbeAsync(probe, "started"));
    }

    [FactWithDriver]
    public async Task Retry_ConfiguredOnStreams_StreamsWorkAsEver()
    {
        var client = Client(Retrying(StatusCode.Unavailable));
        using var call = client.Chat();
        for (var i = 0; i < 500; i++)
        {
            await call.RequestStream.WriteAsync(new Ask { Count = i, Payload = Zeros(5_000) }).DefaultTimeout();
            Assert.True(await call.ResponseStream.MoveNext().DefaultTimeout());
            Assert.Equal(i, call.ResponseStream.Current.Number);
        }
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext().DefaultTimeout());
    }
}
