using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;

namespace Vigil.Conformance;

/// <summary>Our server, called by clients that others wrote.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class OurServerTests(ConformanceFixture fixture)
{
    private const string Unicode = "größer → 大きい 🚀 100%\nnext line";

    private Uri Server => fixture.Server.Address;

    private async Task<CallResult> Call(string driver, DriverCall call) => await (await fixture.DriverAsync(driver)).CallAsync(call).DefaultTimeout();

    private DriverCall To(string method, JsonObject? message = null) => new(Server, method) { Messages = message is null ? null : [message] };

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_MessageWithBytesAndText_ComesBack(string driver)
    {
        var result = await Call(driver, To("Echo", new() { ["text"] = Unicode, ["payload"] = DriverCall.Bytes([0, 1, 255]) }));

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(Unicode, result.Text);
        Assert.Equal([0, 1, 255], result.Payload);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_EmptyMessage_ComesBackEmpty(string driver)
    {
        var result = await Call(driver, To("Echo", []));

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(1, result.Count);
        Assert.Empty(result.Payload);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_EightMegabytesEachWay_Arrive(string driver)
    {
        const int size = 8 * 1024 * 1024;
        var result = await Call(driver, To("Echo") with { Repeat = (1, size), MaxReceive = 2 * size });

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(size, result.Bytes);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task ClientStream_TenThousandMessages_AllCounted(string driver)
    {
        var result = await Call(driver, To("Collect") with { Repeat = (10_000, 10) });

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(10_000, result.Number);
        Assert.Equal(100_000, result.Total);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task ClientStream_NoMessages_StillAnswers(string driver)
    {
        var result = await Call(driver, To("Collect"));

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(0, result.Number);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task ServerStream_TenThousandMessages_AllArriveInOrder(string driver)
    {
        var result = await Call(driver, To("Expand", new() { ["count"] = 10_000, ["size"] = 10 }));

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(10_000, result.Count);
        Assert.Equal(9_999, result.Number);
        Assert.Equal(100_000, result.Bytes);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Bidi_TenThousandMessagesEachWay_AllArriveInOrder(string driver)
    {
        var result = await Call(driver, To("Chat") with { Repeat = (10_000, 10) });

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(10_000, result.Count);
        Assert.Equal(9_999, result.Number);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.DriversAndCodes), MemberType = typeof(Rows))]
    public async Task Unary_HandlerEndsWithStatus_ClientSeesCodeAndMessage(string driver, int code)
    {
        var result = await Call(driver, To("Fail", new() { ["code"] = code, ["text"] = $"code {code}" }));

        Assert.Equal(code, result.Code);
        if (code == 0) Assert.Equal("code 0", result.Text);
        else Assert.Equal($"code {code}", result.Details);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task ServerStream_FailsAfterMessages_MessagesAndStatusArrive(string driver)
    {
        var result = await Call(driver, To("Expand", new() { ["count"] = 3, ["code"] = (int)StatusCode.DataLoss, ["text"] = "no more" }));

        Assert.Equal((int)StatusCode.DataLoss, result.Code);
        Assert.Equal("no more", result.Details);
        Assert.Equal(3, result.Count);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_UnicodeStatusMessage_ArrivesWhole(string driver)
    {
        var result = await Call(driver, To("Fail", new() { ["code"] = (int)StatusCode.Aborted, ["text"] = Unicode }));

        Assert.Equal(Unicode, result.Details);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_MetadataTextAndBinary_ComesBackInHeadersAndTrailers(string driver)
    {
        var unicode = Convert.ToBase64String(Encoding.UTF8.GetBytes(Unicode));
        var result = await Call(driver, To("Echo", []) with
        {
            Metadata = [("x-h-text", "plain value"), ("x-h-bytes-bin", "AAH/"), ("x-h-name-bin", unicode), ("x-h-many", "one"), ("x-h-many", "two"), ("x-t-text", "trailing"), ("x-t-bytes-bin", "/wEA")],
        });

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(["plain value"], result.Header("x-h-text"));
        Assert.Equal(["AAH/"], result.Header("x-h-bytes-bin"));
        Assert.Equal([unicode], result.Header("x-h-name-bin"));
        Assert.Equal("one,two", string.Join(',', result.Header("x-h-many")).Replace(", ", ",", StringComparison.Ordinal));
        Assert.Equal(["trailing"], result.Trailer("x-t-text"));
        Assert.Equal(["/wEA"], result.Trailer("x-t-bytes-bin"));
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Unary_RichError_DetailsArriveAsSent(string driver)
    {
        var details = Convert.ToBase64String([8, 3, 18, 3, 98, 97, 100, 26, 0]);
        var result = await Call(driver, To("Fail", new() { ["code"] = 3, ["text"] = "bad", ["payload"] = new JsonObject { ["$b"] = details } }));

        Assert.Equal(3, result.Code);
        Assert.Equal([details], result.Trailer("grpc-status-details-bin"));
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Deadline_HandlerNeverAnswers_ClientSeesItAndHandlerIsCancelled(string driver)
    {
        var probe = Guid.NewGuid().ToString();
        var result = await Call(driver, To("Wait", new() { ["probe"] = probe }) with { DeadlineMs = 300 });

        Assert.Equal((int)StatusCode.DeadlineExceeded, result.Code);
        await fixture.Server.Probes[probe].Cancelled.DefaultTimeout();
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Deadline_GivenByClient_IsKnownToHandler(string driver)
    {
        var with = await Call(driver, To("TimeLeft", []) with { DeadlineMs = 20_000 });
        var without = await Call(driver, To("TimeLeft", []));

        // Senders may round the time up.
        Assert.InRange(with.Number, 1, 21_000);
        Assert.Equal(-1, without.Number);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Deadline_HandlerCallsOn_SecondHandlerIsCancelledToo(string driver)
    {
        var probe = Guid.NewGuid().ToString();
        var result = await Call(driver, To("Relay", new() { ["probe"] = probe }) with { DeadlineMs = 500 });

        Assert.Equal((int)StatusCode.DeadlineExceeded, result.Code);
        await fixture.Server.Probes[probe].Cancelled.DefaultTimeout();
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Cancel_InTheMiddleOfServerStream_HandlerSeesIt(string driver)
    {
        var probe = Guid.NewGuid().ToString();
        var result = await Call(driver, To("Expand", new() { ["count"] = int.MaxValue, ["size"] = 100, ["probe"] = probe }) with { CancelAfter = 5 });

        Assert.Equal((int)StatusCode.Cancelled, result.Code);
        await fixture.Server.Probes[probe].Cancelled.DefaultTimeout();
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Cancel_InTheMiddleOfBidi_HandlerSeesIt(string driver)
    {
        var probe = Guid.NewGuid().ToString();
        var result = await Call(driver, To("Chat") with { Repeat = (3, 1), KeepOpen = true, CancelAfter = 3, Metadata = [("probe", probe)] });

        Assert.Equal((int)StatusCode.Cancelled, result.Code);
        await fixture.Server.Probes[probe].Cancelled.DefaultTimeout();
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Compressed_RequestsByGzip_AreUnpacked(string driver)
    {
        var unary = await Call(driver, To("Echo") with { Repeat = (1, 50_000), Compress = true });
        var stream = await Call(driver, To("Collect") with { Repeat = (100, 1_000), Compress = true });

        Assert.Equal((0, 50_000L), (unary.Code, unary.Bytes));
        Assert.Equal((0, 100_000L), (stream.Code, stream.Total));
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Compressed_ResponseByGzip_IsUnpackedByClient(string driver)
    {
        var result = await Call(driver, To("Packed") with { Repeat = (1, 50_000), Compress = true });

        Assert.Equal((0, 50_000L), (result.Code, result.Bytes));
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Oversized_RequestOverServersLimit_ResourceExhausted(string driver)
    {
        var over = await Call(driver, To("Collect") with { Repeat = (1, ConformanceServer.MaxMessage) });
        var under = await Call(driver, To("Collect") with { Repeat = (1, ConformanceServer.MaxMessage - 100) });

        Assert.Equal((int)StatusCode.ResourceExhausted, over.Code);
        Assert.Equal((int)StatusCode.OK, under.Code);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Oversized_ResponseOverClientsLimit_ResourceExhausted(string driver)
    {
        var result = await Call(driver, To("Expand", new() { ["count"] = 1, ["size"] = 100_000 }) with { MaxReceive = 50_000 });

        Assert.Equal((int)StatusCode.ResourceExhausted, result.Code);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task ConnectionCut_InTheMiddleOfCall_ClientSeesUnavailableAndHandlerIsCancelled(string driver)
    {
        await using var proxy = new TcpProxy(Server);
        var probe = Guid.NewGuid().ToString();
        var cut = Call(driver, new DriverCall(proxy.Address, "Wait") { Messages = [new JsonObject { ["probe"] = probe }] });
        await fixture.Server.Probes[probe].Started.DefaultTimeout();

        proxy.Cut();

        Assert.Equal((int)StatusCode.Unavailable, (await cut).Code);
        await fixture.Server.Probes[probe].Cancelled.DefaultTimeout();
        var next = new DriverCall(proxy.Address, "Echo") { Messages = [new JsonObject { ["text"] = "again" }] };
        await Waiting.Until(async () => (await Call(driver, next with { Name = Guid.NewGuid().ToString(), Messages = [new JsonObject { ["text"] = "again" }] })).Code == 0, "the client reconnects");
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task SlowReader_StopsReading_ServersWriterIsHeldBack(string driver)
    {
        const int count = 20_000, size = 10_000;
        var probe = Guid.NewGuid().ToString();
        var call = To("Expand", new() { ["count"] = count, ["size"] = size, ["probe"] = probe }) with { PauseAfter = 1, Alone = true };
        var running = Call(driver, call);
        var written = await SettledAsync(fixture.Server.Probes[probe]);

        // Windows and buffers of both sides take some megabytes; the whole stream is 200.
        Assert.InRange(written, 1, count / 4);

        await (await fixture.DriverAsync(driver)).SendAsync("resume", new JsonObject { ["name"] = call.Name }).DefaultTimeout();
        var result = await running;
        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal((long)count * size, result.Bytes);
    }

    /// <summary>How many messages were written when no more follow.</summary>
    private static async Task<int> SettledAsync(Probe probe)
    {
        await probe.Started.DefaultTimeout();
        var last = -1;
        var same = 0;
        await Waiting.Until(() =>
        {
            same = probe.Written == last && last > 0 ? same + 1 : 0;
            last = probe.Written;
            return Task.FromResult(same == 15);
        }, "the writer is held back");
        return last;
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Shutdown_CallsInFlight_AreDrained(string driver)
    {
        await using var server = await ConformanceServer.StartAsync();
        var call = Call(driver, new DriverCall(server.Address, "Wait") { Messages = [new JsonObject { ["probe"] = "draining" }] });
        await server.Probes["draining"].Started.DefaultTimeout();

        var stopping = server.StopAsync();
        Assert.False(stopping.IsCompleted);
        server.Probes["draining"].Release();

        var result = await call;
        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal("released", result.Text);
        await stopping.DefaultTimeout();
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Health_CheckOfServerAndOfUnknownService_ServingAndNotFound(string driver)
    {
        var check = new DriverCall(Server, "Check") { Service = "grpc.health.v1.Health" };
        await Waiting.Until(async () => (await Call(driver, check with { Messages = [new JsonObject()], Name = Guid.NewGuid().ToString() })) is { Code: 0 } r
            && r.Last!.Value.GetProperty("status").GetInt32() == 1, "health is published");
        var unknown = await Call(driver, check with { Messages = [new JsonObject { ["service"] = "no.such.Service" }] });

        Assert.Equal((int)StatusCode.NotFound, unknown.Code);
    }

    [TheoryPerDriver, MemberData(nameof(Rows.Drivers), MemberType = typeof(Rows))]
    public async Task Health_Watch_TellsStateAndStaysOpen(string driver)
    {
        var watch = new DriverCall(Server, "Watch") { Service = "grpc.health.v1.Health", Messages = [new JsonObject { ["service"] = "no.such.Service" }], CancelAfter = 1 };
        var result = await Call(driver, watch);

        Assert.Equal((int)StatusCode.Cancelled, result.Code);
        Assert.Equal((int)HealthV1.HealthCheckResponse.Types.ServingStatus.ServiceUnknown, result.Last!.Value.GetProperty("status").GetInt32());
    }

    public static TheoryData<string, string> DriversAndReflections()
    {
        var rows = new TheoryData<string, string>();
        foreach (var row in Rows.Drivers())
            foreach (var version in new[] { "v1", "v1alpha" }) rows.Add(row, version);
        return rows;
    }

    [TheoryPerDriver, MemberData(nameof(DriversAndReflections))]
    public async Task Reflection_ListAndSymbol_DescribesTheService(string driver, string version)
    {
        var call = new DriverCall(Server, "ServerReflectionInfo")
        {
            Service = $"grpc.reflection.{version}.ServerReflection",
            Messages = [new JsonObject { ["list_services"] = "" }, new JsonObject { ["file_containing_symbol"] = "vigil.conformance.v1.Conformance" }, new JsonObject { ["file_containing_symbol"] = "no.such.Thing" }],
        };
        var result = await Call(driver, call);

        Assert.Equal((int)StatusCode.OK, result.Code);
        Assert.Equal(3, result.Count);
        var services = result.First[0].GetProperty("list_services_response").GetProperty("service").EnumerateArray().Select(s => s.GetProperty("name").GetString()).ToArray();
        Assert.Contains("vigil.conformance.v1.Conformance", services);
        Assert.Contains("grpc.health.v1.Health", services);
        var file = result.First[1].GetProperty("file_descriptor_response").GetProperty("file_descriptor_proto").EnumerateArray().First();
        var bytes = file.ValueKind == System.Text.Json.JsonValueKind.String ? file.GetBytesFromBase64() : file.GetProperty("$b").GetBytesFromBase64();
        Assert.Equal(ConformanceReflection.Descriptor.SerializedData.ToByteArray(), bytes);
        Assert.Equal((int)StatusCode.NotFound, result.First[2].GetProperty("error_response").GetProperty("error_code").GetInt32());
    }
}
