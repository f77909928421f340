using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Vigil.Testing;
using Xunit;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Vigil.Grpc.Tests.Server;

public sealed class HealthTests
{
    private const string Check = "/grpc.health.v1.Health/Check";
    private const string Watch = "/grpc.health.v1.Health/Watch";

    private HealthStatus state = HealthStatus.Healthy;

    [Theory]
    [InlineData(HealthStatus.Healthy, ServingStatus.Serving)]
    [InlineData(HealthStatus.Degraded, ServingStatus.Serving)]
    [InlineData(HealthStatus.Unhealthy, ServingStatus.NotServing)]
    public async Task Check_Server_FromHealthChecks(HealthStatus status, ServingStatus expected)
    {
        state = status;
        await using var host = await StartAsync();
        Assert.Equal(expected, Status((await host.Wire.CallAsync(Check, new HealthCheckRequest()).DefaultTimeout()).Frames.Single()));
    }

    [Fact]
    public async Task Check_MappedService_OnlyItsChecksCount()
    {
        state = HealthStatus.Unhealthy;
        await using var host = await StartAsync();
        Assert.Equal(ServingStatus.Serving, Status((await host.Wire.CallAsync(Check, new HealthCheckRequest { Service = "steady" }).DefaultTimeout()).Frames.Single()));
    }

    [Fact]
    public async Task Check_UnknownService_NotFound()
    {
        await using var host = await StartAsync();
        Assert.Equal((int)StatusCode.NotFound, (await host.Wire.CallAsync(Check, new HealthCheckRequest { Service = "nobody" }).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Watch_PublishedChange_ToldOnceEach_EndsWithTheServer()
    {
        await using var host = await StartAsync();
        using var call = host.Wire.Open(Watch);
        await call.SendAsync(new HealthCheckRequest()).DefaultTimeout();
        call.Complete();
        var body = await (await call.Response.DefaultTimeout()).Content.ReadAsStreamAsync();
        Assert.Equal(ServingStatus.Serving, Status((await Wire.ReadFrameAsync(body).DefaultTimeout())!));

        state = HealthStatus.Unhealthy;
        await PublishAsync(host);
        Assert.Equal(ServingStatus.NotServing, Status((await Wire.ReadFrameAsync(body).DefaultTimeout())!));
        await PublishAsync(host);
        state = HealthStatus.Healthy;
        await PublishAsync(host);
        Assert.Equal(ServingStatus.Serving, Status((await Wire.ReadFrameAsync(body).DefaultTimeout())!));

        var stop = host.StopAsync();
        Assert.Equal(ServingStatus.NotServing, Status((await Wire.ReadFrameAsync(body).DefaultTimeout())!));
        Assert.Null(await Wire.ReadFrameAsync(body).DefaultTimeout());
        await stop.DefaultTimeout();
    }

    [Fact]
    public async Task Watch_UnknownService_ServiceUnknownAndStaysOpen()
    {
        await using var host = await StartAsync();
        using var call = host.Wire.Open(Watch);
        await call.SendAsync(new HealthCheckRequest { Service = "nobody" }).DefaultTimeout();
        call.Complete();
        var body = await (await call.Response.DefaultTimeout()).Content.ReadAsStreamAsync();
        Assert.Equal(ServingStatus.ServiceUnknown, Status((await Wire.ReadFrameAsync(body).DefaultTimeout())!));
        var next = Wire.ReadFrameAsync(body);
        await PublishAsync(host);
        Assert.False(next.IsCompleted);
        await call.CancelAsync().DefaultTimeout();
        await Assert.ThrowsAnyAsync<Exception>(() => next).DefaultTimeout();
    }

    private static ServingStatus Status(WireFrame frame) => HealthCheckResponse.Parser.ParseFrom(frame.Payload).Status;

    private static async Task PublishAsync(ProbeHost host)
    {
        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync().DefaultTimeout();
        foreach (var publisher in host.Services.GetServices<IHealthCheckPublisher>()) await publisher.PublishAsync(report, CancellationToken.None).DefaultTimeout();
    }

    private Task<ProbeHost> StartAsync() => ProbeHost.StartAsync(
        configure: b =>
        {
            // The test publishes by hand.
            b.Services.Configure<HealthCheckPublisherOptions>(o => o.Delay = TimeSpan.FromHours(1));
            b.Services.AddGrpcHealthChecks(o => o.Services.Map("steady", c => c.Tags.Contains("steady")))
                .AddCheck("moody", () => new HealthCheckResult(state))
                .AddCheck("steady", () => HealthCheckResult.Healthy(), ["steady"]);
        },
        map: app => app.MapGrpcHealthChecksService());
}
