using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled.Client;

public sealed class RetryTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private readonly FakeClock clock = new();

    private static Action<GrpcChannelOptions> Retrying(int attempts = 5, Action<GrpcChannelOptions>? more = null) => options =>
    {
        options.ServiceConfig = new ServiceConfig
        {
            MethodConfigs =
            {
                new MethodConfig
                {
                    Names = { new MethodName { Service = "test.Service" } },
                    RetryPolicy = new RetryPolicy
                    {
                        MaxAttempts = attempts, InitialBackoff = TimeSpan.FromSeconds(1), MaxBackoff = Longest, BackoffMultiplier = 2, RetryableStatusCodes = { StatusCode.Unavailable },
                    },
                },
            },
        };
        more?.Invoke(options);
    };

    private Task<byte[]> Call(ScriptedServer server, Action<GrpcChannelOptions> configure) =>
        server.Channel(clock, configure).CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), [1]).ResponseAsync;

    private Task UntilItWaits() => Waiting.Until(() => Task.FromResult(clock.ArmedTimers > 0), "the call waits for its next attempt");

    [Fact]
    public async Task Retry_Failures_WaitNoLongerThanTheGrowingBackoff()
    {
        using var server = new ScriptedServer((attempt, _, _) => Task.FromResult(attempt < 4 ? ScriptedServer.Refusal(StatusCode.Unavailable) : ScriptedServer.Answer(9)));
        var call = Call(server, Retrying());
        // A step may see several attempts through, where their waits were drawn short: it may never see none.
        for (var longest = 1; longest <= 4; longest *= 2)
        {
            await Waiting.Until(() => Task.FromResult(call.IsCompleted || clock.ArmedTimers > 0), "the call waits for its next attempt, or is over");
            clock.Advance(TimeSpan.FromSeconds(longest));
        }

        Assert.Equal([9], await call.DefaultTimeout());
        Assert.Equal(["", "1", "2", "3"], server.Requests.Select(r => r.Headers.TryGetValues("grpc-previous-rpc-attempts", out var v) ? v.Single() : ""));
    }

    [Fact]
    public async Task Retry_Pushback_WaitsAsLongAsTheServerSays()
    {
        using var server = new ScriptedServer((attempt, _, _) => Task.FromResult(attempt == 1 ? ScriptedServer.Refusal(StatusCode.Unavailable, ("grpc-retry-pushback-ms", "60000")) : ScriptedServer.Answer()));
        var call = Call(server, Retrying());
        await UntilItWaits();

        clock.Advance(TimeSpan.FromMilliseconds(59_999));
        Assert.Single(server.Requests);
        clock.Advance(TimeSpan.FromMilliseconds(1));

        await call.DefaultTimeout();
        Assert.Equal(2, server.Requests.Count);
    }

    [Theory, InlineData("-1"), InlineData("soon"), InlineData("")]
    public async Task Retry_PushbackThatIsNoTime_StopsRetries(string pushback)
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.Unavailable, ("grpc-retry-pushback-ms", pushback))));

        await Assert.ThrowsAsync<RpcException>(() => Call(server, Retrying()).DefaultTimeout());
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task Retry_ChannelsCap_LimitsThePolicy()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.Unavailable, ("grpc-retry-pushback-ms", "0"))));

        await Assert.ThrowsAsync<RpcException>(() => Call(server, Retrying(attempts: 5, o => o.MaxRetryAttempts = 3)).DefaultTimeout());
        Assert.Equal(3, server.Requests.Count);
    }

    [Fact]
    public async Task Retry_HeadersHaveCome_NoSecondAttempt()
    {
        using var server = new ScriptedServer((_, _, _) =>
        {
            var response = ScriptedServer.Answer(1);
            response.TrailingHeaders.Remove("grpc-status");
            response.TrailingHeaders.Add("grpc-status", "14");
            return Task.FromResult(response);
        });

        await Assert.ThrowsAsync<RpcException>(() => Call(server, Retrying()).DefaultTimeout());
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task Retry_TooManyFailuresOnTheChannel_Throttled()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.Unavailable, ("grpc-retry-pushback-ms", "0"))));
        var channel = server.Channel(clock, Retrying(attempts: 5, o => o.ServiceConfig!.RetryThrottling = new RetryThrottlingPolicy { MaxTokens = 4, TokenRatio = 0.1 }));

        // Of four tokens two may be lost: the second failure brings the channel to one half.
        await Assert.ThrowsAsync<RpcException>(() => channel.CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), [1]).ResponseAsync.DefaultTimeout());
        Assert.Equal(2, server.Requests.Count);
    }

    [Theory, InlineData(200, 2), InlineData(10, 1)]
    public async Task Retry_ClientStream_SentAgainFromTheStartUnlessTooLargeToKeep(long limit, int attempts)
    {
        var got = new List<byte[]>();
        using var server = new ScriptedServer(async (attempt, request, stop) =>
        {
            var body = await request.Content!.ReadAsByteArrayAsync(stop);
            got.Add(body);
            return attempt == 1 ? ScriptedServer.Refusal(StatusCode.Unavailable, ("grpc-retry-pushback-ms", "0")) : ScriptedServer.Answer(5);
        });
        using var call = server.Channel(clock, Retrying(5, o => o.MaxRetryBufferPerCallSize = limit)).CreateCallInvoker().AsyncClientStreamingCall(ScriptedServer.ClientStream, null, new CallOptions());
        await call.RequestStream.WriteAsync([1, 2, 3]).DefaultTimeout();
        await call.RequestStream.WriteAsync([4, 5, 6]).DefaultTimeout();
        await call.RequestStream.CompleteAsync();

        if (attempts == 2) Assert.Equal([5], await call.ResponseAsync.DefaultTimeout());
        else Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
        Assert.Equal(attempts, got.Count);
        Assert.All(got, body => Assert.Equal([0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 3, 4, 5, 6], body));
    }

    [Fact]
    public async Task WaitForReady_NoConnection_TriesUntilThereIsOne()
    {
        using var server = new ScriptedServer((attempt, _, _) => attempt <= 3
            ? Task.FromException<HttpResponseMessage>(new HttpRequestException(HttpRequestError.ConnectionError, "refused"))
            : Task.FromResult(ScriptedServer.Answer(3)));
        var call = server.Channel(clock).CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions().WithWaitForReady(), []);
        while (!call.ResponseAsync.IsCompleted)
        {
            await Waiting.Until(() => Task.FromResult(call.ResponseAsync.IsCompleted || clock.ArmedTimers > 0), "the call waits for its next attempt, or is over");
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([3], await call.ResponseAsync.DefaultTimeout());
    }

    [Fact]
    public async Task NoConnection_NotWaiting_Unavailable()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromException<HttpResponseMessage>(new HttpRequestException(HttpRequestError.ConnectionError, "refused")));
        var error = await Assert.ThrowsAsync<RpcException>(() => server.Channel().CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.Unavailable, error.StatusCode);
    }

    public static TheoryData<string, Action<RetryPolicy>> BadPolicies() => new()
    {
        { nameof(RetryPolicy.MaxAttempts), p => p.MaxAttempts = 1 },
        { nameof(RetryPolicy.InitialBackoff), p => p.InitialBackoff = TimeSpan.Zero },
        { nameof(RetryPolicy.MaxBackoff), p => p.MaxBackoff = null },
        { nameof(RetryPolicy.BackoffMultiplier), p => p.BackoffMultiplier = 0 },
        { nameof(RetryPolicy.RetryableStatusCodes), p => p.RetryableStatusCodes.Clear() },
    };

    [Theory, MemberData(nameof(BadPolicies))]
    public void Policy_NotValid_IsRefusedByName(string property, Action<RetryPolicy> spoil)
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        var error = Assert.Throws<InvalidOperationException>(() => server.Channel(clock, Retrying(5, o => spoil(o.ServiceConfig!.MethodConfigs[0].RetryPolicy!))));

        Assert.Contains(property, error.Message, StringComparison.Ordinal);
    }
}
