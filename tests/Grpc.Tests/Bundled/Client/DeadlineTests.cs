using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled.Client;

public sealed class DeadlineTests
{
    private readonly FakeClock clock = new();

    private AsyncUnaryCall<byte[]> Call(ScriptedServer server, TimeSpan wait) => server.Channel(clock).CreateCallInvoker()
        .AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(deadline: clock.GetUtcNow().UtcDateTime + wait), []);

    [Theory, InlineData(1.0), InlineData(0.001), InlineData(60 * 86_400.0)]
    public async Task Deadline_ServerNeverAnswers_ExceededExactlyWhenItIsDue(double seconds)
    {
        using var server = new ScriptedServer((_, _, stop) => ScriptedServer.Never(stop));
        var wait = TimeSpan.FromSeconds(seconds);
        var call = Call(server, wait);

        clock.Advance(wait - TimeSpan.FromTicks(1));
        Assert.False(call.ResponseAsync.IsCompleted);
        clock.Advance(TimeSpan.FromTicks(1));

        var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout());
        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
        Assert.Equal(StatusCode.DeadlineExceeded, call.GetStatus().StatusCode);
        Assert.Equal(0, clock.ArmedTimers);
    }

    [Theory, InlineData(1.0, "1000000u"), InlineData(0.5, "500000u"), InlineData(90_000.0, "90000000m"), InlineData(1e9, "16666667M")]
    public async Task Deadline_OnTheWire_IsTheTimeLeftRoundedUp(double seconds, string expected)
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        await Call(server, TimeSpan.FromSeconds(seconds)).ResponseAsync.DefaultTimeout();

        Assert.Equal(expected, server.Requests.Single().Headers.GetValues("grpc-timeout").Single());
    }

    [Fact]
    public async Task Deadline_PastAtTheStart_NothingIsSent()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        var error = await Assert.ThrowsAsync<RpcException>(() => Call(server, TimeSpan.Zero).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Deadline_CallEndsInTime_LeavesNoTimerBehind()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer(7)));

        Assert.Equal([7], await Call(server, TimeSpan.FromHours(1)).ResponseAsync.DefaultTimeout());
        Assert.Equal(0, clock.ArmedTimers);
    }

    [Fact]
    public void Deadline_NotUtc_IsRefused()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        var local = new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Local);

        Assert.Throws<InvalidOperationException>(() => server.Channel(clock).CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(deadline: local), []));
    }
}
