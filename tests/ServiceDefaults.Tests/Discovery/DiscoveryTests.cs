using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Proto.Collector.Metrics.V1;
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
