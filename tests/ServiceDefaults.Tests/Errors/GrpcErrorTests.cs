using System.Text;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Vigil.Metrics.V1;
using Vigil.Testing;
using Xunit;
using Refusal = Vigil.ServiceDefaults.Refusal;

namespace Vigil.ServiceDefaults.Tests;

public sealed class GrpcErrorTests
{
    [Theory]
    [InlineData(RefusalKind.InvalidArgument, StatusCode.InvalidArgument)]
    [InlineData(RefusalKind.NotFound, StatusCode.NotFound)]
    [InlineData(RefusalKind.AlreadyExists, StatusCode.AlreadyExists)]
    [InlineData(RefusalKind.Conflict, StatusCode.Aborted)]
    [InlineData(RefusalKind.FailedPrecondition, StatusCode.FailedPrecondition)]
    [InlineData(RefusalKind.ResourceExhausted, StatusCode.ResourceExhausted)]
    [InlineData(RefusalKind.Unavailable, StatusCode.Unavailable)]
    [InlineData(RefusalKind.PermissionDenied, StatusCode.PermissionDenied)]
    [InlineData(RefusalKind.TooOld, StatusCode.OutOfRange)]
    [InlineData(RefusalKind.Timeout, StatusCode.DeadlineExceeded)]
    public async Task Refusal_Thrown_BecomesItsStatusWithDetails(RefusalKind kind, StatusCode status)
    {
        var refusal = new Refusal(kind, "größer als 5 %", [new FieldViolation("series[3].name", "is empty")]);
        await using var call = await Call.StartAsync(() => throw refusal.ToException());

        var e = await call.FailAsync();

        Assert.Equal(status, e.StatusCode);
        Assert.Equal("größer als 5 %", e.Status.Detail);
        var details = Google.Rpc.Status.Parser.ParseFrom(e.Trailers.GetValueBytes("grpc-status-details-bin"));
        Assert.Equal((int)status, details.Code);
        Assert.Equal("vigil", details.Details[0].Unpack<ErrorInfo>().Domain);
        var violation = Assert.Single(details.Details[1].Unpack<BadRequest>().FieldViolations);
        Assert.Equal(("series[3].name", "is empty"), (violation.Field, violation.Description));
    }

    [Fact]
    public async Task Exception_Unexpected_IsInternalWithAnIdThatTheLogHas()
    {
        await using var call = await Call.StartAsync(() => throw new InvalidOperationException("secret detail"));

        var e = await call.FailAsync();

        Assert.Equal(StatusCode.Internal, e.StatusCode);
        Assert.DoesNotContain("secret", e.Status.Detail);
        var id = e.Status.Detail.Split(' ')[^1];
        var line = Assert.Single(call.Service.Logs.All, l => l.Event == "UnexpectedError").Text;
        Assert.Contains(id, line);
        Assert.Contains("secret detail", line);
    }

    [Theory]
    [InlineData(typeof(TimeoutException), StatusCode.DeadlineExceeded)]
    [InlineData(typeof(Orleans.Storage.InconsistentStateException), StatusCode.Aborted)]
    [InlineData(typeof(OperationCanceledException), StatusCode.Unavailable)]
    public async Task Exception_OfOurMachinery_HasItsStatus(Type type, StatusCode status)
    {
        await using var call = await Call.StartAsync(() => throw (Exception)Activator.CreateInstance(type)!);

        Assert.Equal(status, (await call.FailAsync()).StatusCode);
    }

    [Fact]
    public async Task RpcException_FromTheService_Passes()
    {
        await using var call = await Call.StartAsync(() => throw new RpcException(new Grpc.Core.Status(StatusCode.DataLoss, "as it is")));

        var e = await call.FailAsync();

        Assert.Equal((StatusCode.DataLoss, "as it is"), (e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task Refusal_InADuplexStream_BecomesItsStatus()
    {
        await using var call = await Call.StartAsync(() => throw Refusal.Invalid("open", "must come first").ToException());
        using var stream = new MetricsIngest.MetricsIngestClient(call.Channel).Push(cancellationToken: call.Timeout.Token);

        var e = await Assert.ThrowsAsync<RpcException>(() => stream.ResponseStream.MoveNext(call.Timeout.Token)).DefaultTimeout();

        Assert.Equal((StatusCode.InvalidArgument, "open: must come first"), (e.StatusCode, e.Status.Detail));
    }

    [Theory]
    [InlineData(null, StatusCode.Unauthenticated)]
    [InlineData("wrong", StatusCode.Unauthenticated)]
    [InlineData("read-token", StatusCode.PermissionDenied)]
    [InlineData("ingest-token", StatusCode.OK)]
    public async Task Token_OnAGrpcMethod_DecidesByScope(string? token, StatusCode status)
    {
        await using var call = await Call.StartAsync(() => { }, token);

        if (status == StatusCode.OK)
        {
            await call.ExportAsync().DefaultTimeout();
            return;
        }
        var e = await call.FailAsync();
        Assert.Equal(status, e.StatusCode);
        if (status == StatusCode.PermissionDenied) Assert.Contains("ingest", e.Status.Detail);
    }

    [Fact]
    public async Task Health_Grpc_FollowsReadinessWithoutToken()
    {
        await using var call = await Call.StartAsync(() => { }, token: null);
        var health = new Health.HealthClient(call.Channel);

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new HealthCheckRequest()).ResponseAsync.DefaultTimeout()).Status);
        using (call.Readiness.Block("loading"))
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, (await health.CheckAsync(new HealthCheckRequest()).ResponseAsync.DefaultTimeout()).Status);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new HealthCheckRequest()).ResponseAsync.DefaultTimeout()).Status);
    }

    [Fact]
    public async Task UnknownMethod_IsUnimplementedForWhoeverHasAToken()
    {
        await using var call = await Call.StartAsync(() => { }, "read-token");

        var e = await Assert.ThrowsAsync<RpcException>(() => new MetricsQuery.MetricsQueryClient(call.Channel).QueryAsync(new QueryRequest()).ResponseAsync).DefaultTimeout();

        Assert.Equal(StatusCode.Unimplemented, e.StatusCode);
    }

    [Theory]
    [InlineData("read-token", true)]
    [InlineData("ingest-token", false)]
    public async Task Reflection_NeedsRead(string token, bool allowed)
    {
        await using var call = await Call.StartAsync(() => { }, token);
        // An empty request message in one frame, to either version of the service.
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(call.Service.Grpc, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"))
        {
            Version = new Version(2, 0),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, 2, 0x3A, 0]) { Headers = { ContentType = new("application/grpc") } },
        };
        request.Headers.Authorization = new("Bearer", token);
        request.Headers.TE.Add(new("trailers"));
        using var client = new HttpClient();

        using var response = await client.SendAsync(request).DefaultTimeout();
        var body = await response.Content.ReadAsByteArrayAsync().DefaultTimeout();

        if (allowed) Assert.Contains("opentelemetry.proto.collector.metrics.v1.MetricsService", Encoding.UTF8.GetString(body));
        else Assert.Equal("7", response.Headers.GetValues("grpc-status").Single());
    }

    /// <summary>A service whose methods do what the test says, and a client of it.</summary>
    private sealed class Call : IAsyncDisposable
    {
        public required TestService Service { get; init; }

        public required GrpcChannel Channel { get; init; }

        public CancellationTokenSource Timeout { get; } = new(Waiting.Default);

        public IReadiness Readiness => (IReadiness)Service.App.Services.GetService(typeof(IReadiness))!;

        public static async Task<Call> StartAsync(Action act, string? token = "ingest-token")
        {
            var service = await TestService.StartAsync(
                builder => Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton(builder.Services, act),
                app =>
                {
                    app.MapGrpcService<Exporting>();
                    app.MapGrpcService<Pushing>();
                });
            return new Call { Service = service, Channel = ServiceChannels.Create(service.Grpc, token, [], new ChannelOptions(), null) };
        }

        public async Task ExportAsync() => await new MetricsService.MetricsServiceClient(Channel).ExportAsync(new ExportMetricsServiceRequest(), cancellationToken: Timeout.Token);

        public async Task<RpcException> FailAsync() => await Assert.ThrowsAsync<RpcException>(ExportAsync).DefaultTimeout();

        public async ValueTask DisposeAsync()
        {
            Channel.Dispose();
            await Service.DisposeAsync();
            Timeout.Dispose();
        }
    }

    [RequireScope(Scope.Ingest)]
    private sealed class Exporting(Action act) : MetricsService.MetricsServiceBase
    {
        public override Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context)
        {
            act();
            return Task.FromResult(new ExportMetricsServiceResponse());
        }
    }

    private sealed class Pushing(Action act) : MetricsIngest.MetricsIngestBase
    {
        [RequireScope(Scope.Ingest)]
        public override Task Push(IAsyncStreamReader<PushRequest> requestStream, IServerStreamWriter<PushResponse> responseStream, ServerCallContext context)
        {
            act();
            return Task.CompletedTask;
        }
    }
}
