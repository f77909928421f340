using System.Reflection;
using System.Threading.Channels;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Orleans;
using Vigil.Metrics.Grains;
using Vigil.Metrics.V1;
using Vigil.Metrics.Watch;
using Vigil.Metrics.Watch.Incremental;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Watch;

/// <summary>What a caller registers at once is evaluated for the first time a few at a time: nobody knows yet what it costs.</summary>
public sealed class FirstEvaluationTests
{
    private static readonly int Most = Math.Max(1, Environment.ProcessorCount / 2);

    [Theory]
    [InlineData("topk({0}, m)")]
    [InlineData("sum_over_time(m[{0}m])")]
    public async Task Register_ManyAtOnce_OnlyAFewAreEvaluatedSideBySide(string expr)
    {
        var options = new MetricsOptions { StandingGroups = 256 };
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>();
        var grains = DispatchProxy.Create<IGrainFactory, FakeGrains>();
        var held = ((FakeGrains)(object)grains).Held;
        using var ending = new CancellationTokenSource();
        using var caller = new WatchCallers(Options.Create(options)).Enter("somebody");
        using var session = new WatchSession(
            grains, new Discarded(), caller, new PlanCompiler(300_000, 86_400_000), options, TimeProvider.System, new MetricsInstruments(meters), NullLogger.Instance, ending.Token);
        // Groups add what belongs to them with one call: enough that there are several more of them than may be asked at once.
        var watches = Enumerable.Range(1, 8 * Most + 8).Select(i => new WatchRequest
        {
            Register = new WatchRegister { WatchId = $"w{i}", Expr = string.Format(System.Globalization.CultureInfo.InvariantCulture, expr, i), HeartbeatMs = 60_000 },
        });
        var running = session.RunAsync(new Requests(watches), CancellationToken.None);

        // Whoever got in waits for us; each that is let go lets another in.
        for (var i = 0; i < Most; i++) (await held.Entered.Reader.ReadAsync().DefaultTimeout()).SetResult();
        for (var i = 0; i < Most + 2; i++) (await held.Entered.Reader.ReadAsync().DefaultTimeout()).SetResult();
        Assert.InRange(held.MostAtOnce, 1, Most);

        held.LetAllGo();
        await ending.CancelAsync();
        await running.DefaultTimeout();
    }

    /// <summary>First evaluations, each held until it is let go.</summary>
    public sealed class FirstEvaluations
    {
        private readonly Lock gate = new();
        private bool free;
        private int now;

        public Channel<TaskCompletionSource> Entered { get; } = Channel.CreateUnbounded<TaskCompletionSource>();

        public int MostAtOnce { get; private set; }

        public async Task HoldAsync()
        {
            var hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (gate)
            {
                MostAtOnce = Math.Max(MostAtOnce, ++now);
                if (free) hold.SetResult();
                else Entered.Writer.TryWrite(hold);
            }
            await hold.Task;
            lock (gate) now--;
        }

        public void LetAllGo()
        {
            lock (gate)
            {
                free = true;
                while (Entered.Reader.TryRead(out var hold)) hold.SetResult();
            }
        }
    }

    /// <summary>Finds grains that hold each first evaluation.</summary>
    public class FakeGrains : DispatchProxy
    {
        public FirstEvaluations Held { get; } = new();

        protected override object Invoke(MethodInfo? method, object?[]? arguments) =>
            method!.GetGenericArguments() is [var grain] && grain == typeof(IStandingGroupGrain) ? new FakeGroup(Held) : new FakeQuery(Held);
    }

    private sealed class FakeQuery(FirstEvaluations held) : IStandingQueryGrain
    {
        public async Task<StandingValue> NextAsync(long version, TimeSpan wait, CancellationToken gone)
        {
            if (version != -1) return await new TaskCompletionSource<StandingValue>().Task;
            await held.HoldAsync();
            return new StandingValue { Version = 1 };
        }

        public Task InputsChangedAsync(long receivedUnixUs) => Task.CompletedTask;
    }

    private sealed class FakeGroup(FirstEvaluations held) : IStandingGroupGrain
    {
        public async Task<StandingChanges> NextAsync(StandingPoll poll, CancellationToken gone)
        {
            if (poll.Added.Length > 0) await held.HoldAsync();
            else if (!poll.Ended) await new TaskCompletionSource().Task;
            return new StandingChanges();
        }

        public Task<bool> TakeAsync(FollowedSamples samples) => Task.FromResult(true);

        public Task ServicesChangedAsync() => Task.CompletedTask;
    }

    private sealed class Discarded : IServerStreamWriter<WatchEvent>
    {
        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(WatchEvent message) => Task.CompletedTask;

        public Task WriteAsync(WatchEvent message, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class Requests(IEnumerable<WatchRequest> requests) : IAsyncStreamReader<WatchRequest>
    {
        private readonly IEnumerator<WatchRequest> each = requests.GetEnumerator();

        public WatchRequest Current => each.Current;

        public Task<bool> MoveNext(CancellationToken cancellationToken) => Task.FromResult(each.MoveNext());
    }
}
