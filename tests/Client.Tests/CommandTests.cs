using System.CommandLine;
using Grpc.Core;
using Vigil.Cli;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

/// <summary>The exit codes that scripts rely on.</summary>
public sealed class CommandTests
{
    [Fact]
    public async Task Push_Acknowledged_IsDone()
    {
        await using var server = await FakeIngestServer.StartAsync();
        Assert.Equal(ExitCode.Done, await RunAsync("push", "a{b=\"c\"} 1 1000", "d 2", "--json", "--metrics", server.Address.ToString()));
        var stored = Assert.Single(server.Ingest.Stored).Value;
        Assert.Equal(["a", "d"], stored.Select(s => s.Series));
        Assert.Equal(1000, stored[0].Time);
    }

    [Fact]
    public async Task Push_SomethingRefused_SaysSo()
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.Refuse });
        Assert.Equal(ExitCode.Refused, await RunAsync("push", "x 1", "--json", "--metrics", server.Address.ToString()));
    }

    [Theory]
    [InlineData(StatusCode.Unauthenticated, ExitCode.NotAllowed)]
    [InlineData(StatusCode.PermissionDenied, ExitCode.NotAllowed)]
    [InlineData(StatusCode.InvalidArgument, ExitCode.Usage)]
    public async Task Push_TurnedAway_HasTheStatusExitCode(StatusCode status, int exitCode)
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { TurnAway = new Status(status, "no") });
        Assert.Equal(exitCode, await RunAsync("push", "x 1", "--metrics", server.Address.ToString()));
    }

    [Fact]
    public async Task Push_NoServer_IsUnreachable()
    {
        Uri address;
        await using (var server = await FakeIngestServer.StartAsync()) address = server.Address;
        Assert.Equal(ExitCode.Unreachable, await RunAsync("push", "x 1", "--timeout", "1", "--metrics", address.ToString()));
    }

    [Fact]
    public async Task Push_ServerThatNeverAcknowledges_EndsWithTheTimeout()
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.AckAfterSignal });
        Assert.Equal(ExitCode.Unreachable, await RunAsync("push", "x 1", "--timeout", "1", "--metrics", server.Address.ToString()));
    }

    [Fact]
    public void Text_OfSomebodyElse_DoesNotDriveTheTerminal()
    {
        KeyValuePair<string, string>[] labels = [KeyValuePair.Create("__name__", "m"), KeyValuePair.Create("v", "\0\u001b[31m\n\"\\é\u009b")];
        Assert.Equal("{\"http.\\u001b\",\"a b\"=\"c\",d=\"e\"}",
            SeriesText.Format([KeyValuePair.Create("a b", "c"), KeyValuePair.Create("__name__", "http.\u001b"), KeyValuePair.Create("d", "e")]));
        Assert.Equal("m{v=\"\\u0000\\u001b[31m\\n\\\"\\\\é\\u009b\"}", SeriesText.Format(labels));
        Assert.Equal("a\\nb\\u001bc", Terminal.Visible("a\nb\u001bc"));
    }

    [Theory]
    [InlineData("push", "not a sample")]
    [InlineData("query", "up", "--time", "yesterday")]
    public async Task Input_NotUnderstood_IsBadUsage(params string[] args) => Assert.Equal(ExitCode.Usage, await RunAsync(args));

    [Theory]
    [InlineData("query")]
    [InlineData("query", "up", "--metrics", "localhost")]
    [InlineData("watch", "up", "--heartbeat", "99")]
    [InlineData("push", "x 1", "--timeout", "0")]
    [InlineData("push", "x 1", "--timeout", "86401")]
    [InlineData("agent", "--interval", "0")]
    [InlineData("agent", "--probe", "ftp://x")]
    [InlineData("fly")]
    public void Arguments_OutOfRange_AreRefusedWhileParsing(params string[] args) => Assert.NotEmpty(VigilCommand.Create().Parse(args).Errors);

    [Theory]
    [InlineData("1700000000.5", 1_700_000_000_500)]
    [InlineData("2026-01-31T12:00:00Z", 1_769_860_800_000)]
    public void Time_UnixOrRfc3339_IsRead(string text, long milliseconds) =>
        Assert.Equal(milliseconds, Cli.Commands.QueryCommand.ParseTime(text)!.Value.ToUnixTimeMilliseconds());

    private static Task<int> RunAsync(params string[] args) => VigilCommand.Create().Parse(args).InvokeAsync().DefaultTimeout();
}
