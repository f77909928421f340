using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Vigil.Metrics.V1;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class DiscoveryTests
{
    [Fact]
    public void Find_NotConfigured_NamesTheKey()
    {
        var directory = new ServiceDirectory(new ConfigurationBuilder().Build());

        var e = Assert.Throws<InvalidOperationException>(() => directory.Find("metrics", "grpc"));

        Assert.Contains("services:metrics:grpc:0", e.Message);
        Assert.Contains("services__metrics__grpc__0", e.Message);
        Assert.False(directory.TryFind("metrics", "grpc", out _));
    }

    [Theory]
    [InlineData("127.0.0.1:4317")]
    [InlineData("ftp://127.0.0.1")]
    public void Find_NoUrl_NamesKeyAndValue(string value)
    {
        var directory = new ServiceDirectory(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["services:metrics:grpc:0"] = value }).Build());

        var e = Assert.Throws<InvalidOperationException>(() => directory.Find("metrics", "grpc"));

        Assert.Contains("services:metrics:grpc:0", e.Message);
        Assert.Contains(value, e.Message);
    }

    [Theory]
    [InlineData("opentelemetry.proto.collector.metrics.v1.MetricsService", 2, null)]
    [InlineData("opentelemetry.proto.collector.metrics.v1.MetricsService/Export", 2, null)]
    [InlineData("other.Service", 2, StatusCode.Unavailable)]
    [InlineData("opentelemetry.proto.collector.metrics.v1.MetricsService", 4, StatusCode.Unavailable)]
    public async Task Channel_Unavailable_IsRetriedForIdempotentMethodsOnly(string idempotent, int failures, StatusCode? status)
    {
        var flaky = new Flaky { Failures = failures };
        await using var metrics = await TestService.StartAsync(b => b.Services.AddSingleton(flaky), app => app.MapGrpcService<FlakyService>());
        await using var service = await TestService.StartAsync(b => b.Services.AddServiceChannel("metrics", idempotent), settings: new()
        {
            ["services:metrics:grpc:0"] = metrics.Grpc.ToString(),
            ["Auth:Token"] = "admin-token",
        });
        var client = new MetricsService.MetricsServiceClient(service.App.Services.GetRequiredKeyedService<GrpcChannel>("metrics"));

        var call = client.ExportAsync(new ExportMetricsServiceRequest()).ResponseAsync;

        if (status is null) await call.DefaultTimeout();
        else Assert.Equal(status, (await Assert.ThrowsAsync<RpcException>(() => call).DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Channel_NetworkGoesDead_BothSidesGiveTheStreamUp()
    {
        // The shortest that HTTP/2 allows, and patience for a loaded machine.
        static Dictionary<string, string?> Pings(string section) => new() { [$"{section}:KeepAlivePingDelay"] = "00:00:01", [$"{section}:KeepAlivePingTimeout"] = "00:00:05" };
        var silence = new Silence();
        await using var metrics = await TestService.StartAsync(b => b.Services.AddSingleton(silence), app => app.MapGrpcService<SilentService>(), Pings(EndpointOptions.Section));
        await using var proxy = new TcpProxy(metrics.Grpc);
        await using var service = await TestService.StartAsync(b => b.Services.AddServiceChannel("metrics"), settings: new(Pings(ChannelOptions.Section))
        {
            ["services:metrics:grpc:0"] = proxy.Address.ToString(),
            ["Auth:Token"] = "admin-token",
        });
        using var watch = new MetricsQuery.MetricsQueryClient(service.App.Services.GetRequiredKeyedService<GrpcChannel>("metrics")).Watch();
        await silence.Entered.Task.DefaultTimeout();

        proxy.Kill();

#if PACKAGESET_OFFICIAL   // which passes on that its HTTP stack calls this a protocol error
        const StatusCode dead = StatusCode.Internal;
#else
        const StatusCode dead = StatusCode.Unavailable;
#endif
        Assert.Equal(dead, (await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())).StatusCode);
        await silence.Cancelled.Task.DefaultTimeout();
    }

    [Theory]
    [InlineData("Listen:KeepAlivePingDelay", "00:00:00.9")]
    [InlineData("Listen:KeepAlivePingTimeout", "01:00:01")]
    [InlineData("Channels:KeepAlivePingDelay", "00:00:00")]
    [InlineData("Channels:KeepAlivePingTimeout", "1.00:00:00")]
    public async Task KeepAlive_OutOfRange_DoesNotStart(string key, string value)
    {
        await using var service = TestService.Build(settings: new() { [key] = value });

        Assert.Equal(1, await service.App.RunServiceAsync().DefaultTimeout());

        var line = Assert.Single(service.Logs.All, l => l.Event == "CannotStart").Text;
        Assert.Contains(key, line);
        Assert.Contains("00:00:01 to 01:00:00", line);
    }

    private sealed class Silence
    {
        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    [RequireScope(Scope.Read)]
    private sealed class SilentService(Silence silence) : MetricsQuery.MetricsQueryBase
    {
        public override async Task Watch(IAsyncStreamReader<WatchRequest> requestStream, IServerStreamWriter<WatchEvent> responseStream, ServerCallContext context)
        {
            context.CancellationToken.Register(silence.Cancelled.SetResult);
            silence.Entered.SetResult();
            await silence.Cancelled.Task;
        }
    }

    private sealed class Flaky
    {
        public int Failures;
    }

    [RequireScope(Scope.Ingest)]
    private sealed class FlakyService(Flaky flaky) : MetricsService.MetricsServiceBase
    {
        public override Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context) =>
            Interlocked.Decrement(ref flaky.Failures) >= 0 ? throw new RefusalException(RefusalKind.Unavailable, "not now") : Task.FromResult(new ExportMetricsServiceResponse());
    }
}
