using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

public sealed class DeadlineTests
{
    private readonly FakeClock clock = new();

    [Fact]
    public async Task Deadline_HandlerHeedsToken_CancelledAndDeadlineExceeded()
    {
        await using var host = await StartAsync();
        var entered = new TaskCompletionSource<DateTime>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (note, context) =>
        {
            entered.SetResult(context.Deadline);
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return note;
        };
        var call = host.Wire.CallAsync(WireClient.Unary, new Note(), ("grpc-timeout", "10S"));
        Assert.Equal(clock.GetUtcNow().UtcDateTime.AddSeconds(10), await entered.Task.DefaultTimeout());
        clock.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        Assert.False(call.IsCompleted);
        clock.Advance(TimeSpan.FromTicks(1));
        var response = await call.DefaultTimeout();
        Assert.Equal(((int)StatusCode.DeadlineExceeded, "Deadline Exceeded"), (response.Status, response.Message));
        Assert.Equal(0, clock.ArmedTimers);
    }

    [Fact]
    public async Task Deadline_HandlerIgnoresToken_AnsweredAllTheSame()
    {
        await using var host = await StartAsync();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (note, _) =>
        {
            entered.SetResult();
            await release.Task;
            return note;
        };
        var call = host.Wire.CallAsync(WireClient.Unary, new Note(), ("grpc-timeout", "1m"));
        await entered.Task.DefaultTimeout();
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((int)StatusCode.DeadlineExceeded, (await call.DefaultTimeout()).Status);
        release.SetResult();
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Deadline_HandlerFasterThanIt_Ok()
    {
        await using var host = await StartAsync();
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note(), ("grpc-timeout", "1m")).DefaultTimeout()).Status);
        await Waiting.Until(() => Task.FromResult(clock.ArmedTimers == 0), "the timer is gone");
    }

    [Fact]
    public async Task Deadline_ReaderWaitsForNextMessage_WokenAndStreamReset()
    {
        await using var host = await StartAsync();
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var woken = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Collect = async (notes, _) =>
        {
            await notes.MoveNext(CancellationToken.None);
            var next = notes.MoveNext(CancellationToken.None);
            waiting.SetResult();
            woken.SetResult(await Record.ExceptionAsync(() => next));
            return new Note();
        };
        using var call = host.Wire.Open(WireClient.Collect, ("grpc-timeout", "5M"));
        await call.SendAsync(new Note()).DefaultTimeout();
        await waiting.Task.DefaultTimeout();
        clock.Advance(TimeSpan.FromMinutes(5));
        Assert.NotNull(await woken.Task.DefaultTimeout());
    }

    [Fact]
    public async Task Deadline_AfterMessages_StatusInTrailersAndWritesRefused()
    {
        await using var host = await StartAsync();
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var refused = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Expand = async (_, notes, context) =>
        {
            await notes.WriteAsync(new Note { Number = 1 });
            var expired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = context.CancellationToken.Register(expired.SetResult);
            written.SetResult();
            await expired.Task;
            refused.SetResult(await Record.ExceptionAsync(() => notes.WriteAsync(new Note { Number = 2 })));
        };
        var call = host.Wire.CallAsync(WireClient.Expand, new Note(), ("grpc-timeout", "1H"));
        await written.Task.DefaultTimeout();
        clock.Advance(TimeSpan.FromHours(1));
        var response = await call.DefaultTimeout();
        Assert.Equal(1, response.Note.Number);
        Assert.Equal("4", response.Trailer("grpc-status"));
        Assert.IsAssignableFrom<OperationCanceledException>(await refused.Task.DefaultTimeout());
    }

    [Theory]
    [InlineData("99999999H")]
    [InlineData("nonsense")]
    [InlineData("123456789S")]
    public async Task Deadline_VeryFarOrInvalid_CallRuns(string timeout)
    {
        await using var host = await StartAsync();
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note(), ("grpc-timeout", timeout)).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Deadline_BeyondTheLongestTimer_StillReached()
    {
        await using var host = await StartAsync();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (note, context) =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return note;
        };
        var call = host.Wire.CallAsync(WireClient.Unary, new Note(), ("grpc-timeout", "2400H"));
        await entered.Task.DefaultTimeout();
        clock.Advance(TimeSpan.FromDays(99));
        Assert.False(call.IsCompleted);
        clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal((int)StatusCode.DeadlineExceeded, (await call.DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Deadline_RacesWithHandler_AlwaysOneCleanAnswer()
    {
        await using var host = await StartAsync();
        for (var i = 0; i < 200; i++)
        {
            var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            host.Script.Unary = async (note, _) =>
            {
                entered.SetResult();
                await release.Task;
                return note;
            };
            var call = host.Wire.CallAsync(WireClient.Unary, new Note { Number = i }, ("grpc-timeout", "1S"));
            await entered.Task.DefaultTimeout();
            var racing = Task.Run(() => clock.Advance(TimeSpan.FromSeconds(1)));
            release.SetResult();
            await racing.DefaultTimeout();
            var response = await call.DefaultTimeout();
            if (response.Status == 0) Assert.Equal(i, response.Note.Number);
            else Assert.Equal(((int)StatusCode.DeadlineExceeded, 0), (response.Status, response.Frames.Count));
        }
    }

    private Task<ProbeHost> StartAsync() => ProbeHost.StartAsync(configure: b => b.Services.AddSingleton<TimeProvider>(clock));
}
