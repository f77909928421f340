using System.Reflection;
using System.Threading.Channels;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Vigil.Alerting.Tests.Notify;
using Vigil.Alerting.Watch;
using Vigil.ServiceDefaults;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Watch;

public sealed class PolicyLoaderTests
{
    [Fact]
    public async Task Load_GrainCallThatIsGivenUp_IsTriedAgainAndDoesNotEndTheHost()
    {
        using var home = new AlertingHome("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n");
        var clock = new FakeClock();
        using var metrics = GrpcChannel.ForAddress("http://127.0.0.1:1");
        var grains = DispatchProxy.Create<IGrainFactory, GivesUp>();
        using var loader = new PolicyLoader(Options.Create(new PoliciesOptions { Directory = home.Policies }), new ExpressionOracle(metrics), grains,
            new PolicyTable(), new NeverReady(), clock, Pages.Metrics(), NullLogger<PolicyLoader>.Instance);
        await loader.StartAsync(default).DefaultTimeout();

        await ((GivesUp)(object)grains).NextCall();
        clock.Advance(TimeSpan.FromSeconds(2));
        await ((GivesUp)(object)grains).NextCall();

        Assert.False(loader.ExecuteTask!.IsCompleted);
        await loader.StopAsync(default).DefaultTimeout();
    }

    /// <summary>Answers every call as one that was cancelled on the way. Public for the proxy made of it.</summary>
    public class GivesUp : DispatchProxy
    {
        private readonly Channel<string> calls = Channel.CreateUnbounded<string>();

        internal Task<string> NextCall() => calls.Reader.ReadAsync().DefaultTimeout();

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            calls.Writer.TryWrite(targetMethod!.Name);
            throw new TaskCanceledException();
        }
    }

    private sealed class NeverReady : IReadiness
    {
        public IReadOnlyList<string> Reasons => ["never"];

        public IDisposable Block(string reason) => new MemoryStream();
    }
}
