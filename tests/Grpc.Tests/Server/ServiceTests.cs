using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class ServiceTests
{
    [Fact]
    public async Task Service_EachCall_OwnInstanceAndScope_DisposedAfterwards()
    {
        await using var host = await ProbeHost.StartAsync(
            configure: b =>
            {
                b.Services.AddSingleton<Journal>();
                b.Services.AddScoped<PerCall>();
            },
            map: app => app.MapGrpcService<JournalService>());
        var first = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        var second = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.NotEqual(first.Note.Text, second.Note.Text);
        var journal = host.Services.GetRequiredService<Journal>();
        Assert.Equal(["made", "called", "disposed", "made", "called", "disposed"], journal.Lines);
    }

    [Fact]
    public async Task Service_Registered_TakenFromDi()
    {
        await using var host = await ProbeHost.StartAsync(
            configure: b =>
            {
                b.Services.AddSingleton<Journal>();
                b.Services.AddScoped<PerCall>();
                b.Services.AddScoped<JournalService>();
            },
            map: app => app.MapGrpcService<JournalService>());
        await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(2, host.Services.GetRequiredService<Journal>().Lines.Count(l => l == "made"));
    }

    [Fact]
    public async Task Service_FromDefinition_HandlersCalled()
    {
        await using var host = await ProbeHost.StartAsync(map: app => app.MapGrpcService(_ => Probe.BindService(new ProbeService(new ProbeScript()))));
        Assert.Equal(3, (await host.Wire.CallAsync(WireClient.Unary, new Note { Number = 3 }).DefaultTimeout()).Note.Number);
        Assert.Equal(2, (await host.Wire.CallAsync(WireClient.Expand, new Note { Number = 2 }).DefaultTimeout()).Notes.Count);
    }

    [Fact]
    public async Task Map_WithoutAddGrpc_SaysWhatIsMissing()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();
        Assert.Contains("AddGrpc", Assert.Throws<InvalidOperationException>(() => app.MapGrpcService<ProbeService>()).Message);
    }

    [Fact]
    public async Task Endpoints_AttributesOfClassAndMethod_BecomeMetadata()
    {
        await using var host = await ProbeHost.StartAsync(map: app => app.MapGrpcService<MarkedService>());
        var endpoints = host.Services.GetRequiredService<EndpointDataSource>().Endpoints;
        Assert.Equal("method", Of("Unary").Metadata.GetMetadata<MarkAttribute>()!.Name);
        Assert.Equal("class", Of("Collect").Metadata.GetMetadata<MarkAttribute>()!.Name);
        Assert.Equal(typeof(MarkedService), Of("Chat").Metadata.GetMetadata<GrpcMethodMetadata>()!.ServiceType);

        Microsoft.AspNetCore.Http.Endpoint Of(string method) => endpoints.Single(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Name == method);
    }

    [Fact]
    public async Task RequireAuthorization_OnService_RefusesCalls()
    {
        await using var host = await ProbeHost.StartAsync(
            configure: b =>
            {
                b.Services.AddAuthentication("none").AddCookie("none", o => o.Events.OnRedirectToLogin = c =>
                {
                    c.Response.StatusCode = 401;
                    return Task.CompletedTask;
                });
                b.Services.AddAuthorization();
            },
            map: app =>
            {
                app.UseAuthentication();
                app.UseAuthorization();
                app.MapGrpcService<ProbeService>().RequireAuthorization(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
            });
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).HttpStatus);
    }

    [Fact]
    public async Task ServiceOptions_OverrideThoseOfAll()
    {
        await using var host = await ProbeHost.StartAsync(o => o.MaxReceiveMessageSize = 10,
            configure: b => b.Services.AddGrpc().AddServiceOptions<ProbeService>(o => o.MaxReceiveMessageSize = 1_000));
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note { Text = new string('x', 500) }).DefaultTimeout()).Status);
        Assert.Equal((int)StatusCode.ResourceExhausted, (await host.Wire.CallAsync(WireClient.Unary, new Note { Text = new string('x', 1_500) }).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Interceptors_AllKinds_OutermostFirstAroundTheHandler()
    {
        await using var host = await ProbeHost.StartAsync(
            o =>
            {
                o.Interceptors.Add<JournalInterceptor>("a");
                o.Interceptors.Add<JournalInterceptor>("b");
            },
            b =>
            {
                b.Services.AddSingleton<Journal>();
                b.Services.AddGrpc().AddServiceOptions<ProbeService>(o => o.Interceptors.Add<JournalInterceptor>("c"));
            });
        var journal = host.Services.GetRequiredService<Journal>();
        foreach (var path in new[] { WireClient.Unary, WireClient.Collect, WireClient.Expand, WireClient.Chat })
        {
            journal.Lines.Clear();
            Assert.Equal(0, (await host.Wire.CallAsync(path, new Note { Number = 1 }).DefaultTimeout()).Status);
            Assert.Equal(["a in", "b in", "c in", "c out", "c disposed", "b out", "b disposed", "a out", "a disposed"], journal.Lines);
        }
    }

    [Fact]
    public async Task Interceptor_ThrowsStatus_HandlerNotCalled()
    {
        await using var host = await ProbeHost.StartAsync(o => o.Interceptors.Add<RefusingInterceptor>(false));
        host.Script.Unary = (_, _) => throw new InvalidOperationException("called");
        Assert.Equal((int)StatusCode.PermissionDenied, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Interceptor_UserState_SharedWithHandler()
    {
        await using var host = await ProbeHost.StartAsync(o => o.Interceptors.Add<RefusingInterceptor>(true));
        host.Script.Unary = (_, context) => Task.FromResult(new Note { Text = (string)context.UserState["left"] });
        Assert.Equal("here", (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Note.Text);
    }

    public sealed class Journal
    {
        public List<string> Lines { get; } = [];
    }

    public sealed class PerCall
    {
        public string Id { get; } = Guid.NewGuid().ToString();
    }

    public sealed class JournalService : Probe.ProbeBase, IAsyncDisposable
    {
        private readonly Journal journal;
        private readonly PerCall perCall;

        public JournalService(Journal journal, PerCall perCall)
        {
            this.journal = journal;
            this.perCall = perCall;
            journal.Lines.Add("made");
        }

        public override async Task<Note> Unary(Note request, ServerCallContext context)
        {
            await Task.Yield();
            Assert.Same(perCall, context.GetHttpContext().RequestServices.GetRequiredService<PerCall>());
            journal.Lines.Add("called");
            return new Note { Text = perCall.Id };
        }

        public ValueTask DisposeAsync()
        {
            journal.Lines.Add("disposed");
            return default;
        }
    }

    [AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
    public sealed class MarkAttribute(string name) : Attribute
    {
        public string Name { get; } = name;
    }

    [Mark("class")]
    public sealed class MarkedService : Probe.ProbeBase
    {
        [Mark("method")]
        public override Task<Note> Unary(Note request, ServerCallContext context) => Task.FromResult(request);
    }

    public sealed class RefusingInterceptor(bool pass) : Interceptor
    {
        public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            context.UserState["left"] = "here";
            return pass ? continuation(request, context) : throw new RpcException(new Status(StatusCode.PermissionDenied, "no"));
        }
    }

    public sealed class JournalInterceptor(Journal journal, string name) : Interceptor, IDisposable
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            journal.Lines.Add($"{name} in");
            var response = await continuation(request, context);
            journal.Lines.Add($"{name} out");
            return response;
        }

        public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
        {
            journal.Lines.Add($"{name} in");
            var response = await continuation(requestStream, context);
            journal.Lines.Add($"{name} out");
            return response;
        }

        public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
            TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
        {
            journal.Lines.Add($"{name} in");
            await continuation(request, responseStream, context);
            journal.Lines.Add($"{name} out");
        }

        public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            journal.Lines.Add($"{name} in");
            await continuation(requestStream, responseStream, context);
            journal.Lines.Add($"{name} out");
        }

        public void Dispose() => journal.Lines.Add($"{name} disposed");
    }
}
