using Aspire.Hosting;
using Grpc.Core;
using Vigil.AppHost;
using Vigil.AppHost.Demo;
using Vigil.Testing;
using Xunit;

namespace Vigil.Aspire.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public void TryParse_FlagsAndConfiguration_SeparatesThem()
    {
        Assert.True(CommandLine.TryParse(["--demo", "--Ports:metrics:http=19090"], out var options, out _));
        Assert.True(options.Demo);
        Assert.False(options.NoAgent);
        Assert.Equal(["--Ports:metrics:http=19090"], options.Configuration);
    }

    [Theory]
    [InlineData("'--dmeo' is not an option", "--dmeo")]
    [InlineData("'demo' is not an option", "demo")]
    [InlineData("--demo needs the agent", "--demo", "--no-agent")]
    [InlineData("usage:", "--demo", "--help")]
    public void TryParse_NothingToStart_SaysWhy(string part, params string[] args)
    {
        Assert.False(CommandLine.TryParse(args, out _, out var answer));
        Assert.Contains(part, answer, StringComparison.Ordinal);
    }
}

public sealed class TokensTests
{
    [Fact]
    public void LoadOrCreate_FirstStart_MakesFourTokensThatOnlyTheOwnerReads()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "data", "tokens.json");
        var tokens = Tokens.LoadOrCreate(path);
        Assert.Equal(4, Tokens.Scopes.Select(s => tokens[s]).Distinct().Count());
        Assert.All(Tokens.Scopes, s => Assert.Equal(43, tokens[s].Length));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(tokens["read"], Tokens.LoadOrCreate(path)["read"]);
    }

    [Fact]
    public void LoadOrCreate_ScopeMissing_MakesOnlyThatOne()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "tokens.json");
        File.WriteAllText(path, """{"ingest":"abc","extra":"x"}""");
        var tokens = Tokens.LoadOrCreate(path);
        Assert.Equal("abc", tokens["ingest"]);
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", tokens.HashOf("ingest"));
        Assert.Contains("\"extra\"", File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Fact]
    public void LoadOrCreate_DamagedFile_IsLeftAlone()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "tokens.json");
        File.WriteAllText(path, "{\"ingest\": ");
        Assert.Contains(path, Assert.Throws<DistributedApplicationException>(() => Tokens.LoadOrCreate(path)).Message, StringComparison.Ordinal);
        Assert.Equal("{\"ingest\": ", File.ReadAllText(path));
    }
}

public sealed class StoryTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 5, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Tell_StepsOutOfOrder_TellsThemInOrderWithLatencies()
    {
        var story = new Story(TimeSpan.FromMilliseconds(300));
        story.Add(new StoryStep(Start, "breaks", StoryMood.Plain, Begins: true));
        story.Add(new StoryStep(Start.AddMilliseconds(620), "pages", StoryMood.Bad));
        story.Add(new StoryStep(Start.AddMilliseconds(600), "fires", StoryMood.Bad));
        Assert.Single(story.Tell(Start.AddMilliseconds(800)));
        Assert.Equal(
            [
                "story  +  0.600 s  600 ms later  fires",
                "story  +  0.620 s   20 ms later  pages",
            ], story.Tell(Start.AddSeconds(1)).Select(l => l.Line));
    }

    [Fact]
    public void Tell_NextBreak_BeginsAgainAtZero()
    {
        var story = new Story(TimeSpan.Zero);
        story.Add(new StoryStep(Start, "breaks", StoryMood.Plain, Begins: true));
        story.Add(new StoryStep(Start.AddSeconds(60), "breaks again", StoryMood.Plain, Begins: true));
        Assert.Equal("story  +  0.000 s                breaks again", story.Tell(Start.AddSeconds(61))[1].Line);
    }
}

public sealed class DemoStoryTests
{
    [Fact]
    public async Task AgainAndAgain_StreamCancelledBecauseTheStoryEnds_EndsAsCancelledAndIsNoFailure()
    {
        using var stopping = new CancellationTokenSource();
        var told = new List<Status>();
        var story = DemoStory.AgainAndAgainAsync(async token =>
        {
            await stopping.CancelAsync();
            throw new RpcException(new Status(StatusCode.Cancelled, "Call canceled by the client."));
        }, told.Add, TimeProvider.System, stopping.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => story.DefaultTimeout());
        Assert.Empty(told);
    }
}
