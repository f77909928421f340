using Aspire.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Configuration;
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
        Write(path, """{"ingest":"abc","extra":"x"}""");
        var tokens = Tokens.LoadOrCreate(path);
        Assert.Equal("abc", tokens["ingest"]);
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", tokens.HashOf("ingest"));
        Assert.Contains("\"extra\"", File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"ingest\": ", "is not a JSON object from scope to token")]
    [InlineData("", "is not a JSON object from scope to token")]
    [InlineData("null", "is not a JSON object from scope to token (it is null)")]
    [InlineData("[1]", "is not a JSON object from scope to token")]
    [InlineData("{\"ingest\":1}", "is not a JSON object from scope to token")]
    [InlineData("{\"ingest\":\"a\\nb\"}", "the token of 'ingest' has characters other than visible ASCII")]
    public void LoadOrCreate_DamagedFile_IsNamedAndLeftAlone(string content, string reason)
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "tokens.json");
        Write(path, content);
        var message = Assert.Throws<DistributedApplicationException>(() => Tokens.LoadOrCreate(path)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        Assert.Equal(content, File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void LoadOrCreate_FileThatOthersMayRead_IsRefused()
    {
        if (OperatingSystem.IsWindows()) return;
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "tokens.json");
        Tokens.LoadOrCreate(path);
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.GroupRead);
        Assert.StartsWith($"{path} can be read or written by others than its owner", Assert.Throws<DistributedApplicationException>(() => Tokens.LoadOrCreate(path)).Message, StringComparison.Ordinal);
    }

    private static void Write(string path, string content)
    {
        File.WriteAllText(path, content);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}

public sealed class InstallationTests
{
    [Fact]
    public void Open_FoldersWithSpaces_MakesThemAndLetsGoWhenDisposed()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "my data", "of vigil");
        using (var installation = Open(folder, data)) Assert.True(File.Exists(installation.Tokens.Path));
        using var again = Open(folder, data);
        Assert.Equal(data, again.Data);
    }

    [Fact]
    public void Open_TakenByAnother_IsRefusedWithTheDirectory()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        using var first = Open(folder, data);
        Assert.StartsWith($"the data directory {data} is in use by another AppHost", Assert.Throws<DistributedApplicationException>(() => Open(folder, data)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_DataDirectoryIsAFile_SaysSo()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        File.WriteAllText(data, "mine");
        Assert.Equal($"the data directory {data} cannot be used: it is a file, not a folder. It comes from Storage:Directory", Assert.Throws<DistributedApplicationException>(() => Open(folder, data)).Message);
        Assert.Equal("mine", File.ReadAllText(data));
    }

    [Fact]
    public void Open_DamagedTokens_LetsGoOfTheDirectory()
    {
        using var folder = new TempFolder();
        var data = Path.Combine(folder.Path, "data");
        Directory.CreateDirectory(Path.Combine(data, "tokens.json"));
        Assert.Contains("is a folder", Assert.Throws<DistributedApplicationException>(() => Open(folder, data)).Message, StringComparison.Ordinal);
        Directory.Delete(Path.Combine(data, "tokens.json"));
        Open(folder, data).Dispose();
    }

    [Theory]
    [InlineData("Storage:Directory", " ", "Storage:Directory is ' '")]
    [InlineData("Policies:Directory", "no such folder", "no such folder does not exist: it comes from Policies:Directory")]
    public void Open_UnusableSetting_NamesItsKey(string key, string value, string reason)
    {
        using var folder = new TempFolder();
        var configuration = Settings(("Storage:Directory", Path.Combine(folder.Path, "data")), ("Policies:Directory", folder.Path), (key, value));
        Assert.Contains(reason, Assert.Throws<DistributedApplicationException>(() => Installation.Open(configuration, folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Ports:metrics:http", "x", "Ports:metrics:http is 'x'")]
    [InlineData("Ports:metrics:http", "65536", "give a port, 1 to 65535")]
    [InlineData("Ports:metrics:https", "9443", "Ports:metrics:https names no endpoint")]
    public void Ports_Unusable_AreNamed(string key, string value, string reason) =>
        Assert.Contains(reason, Assert.Throws<DistributedApplicationException>(() => new PortSettings(Settings((key, value))).Of("metrics", "http", 9090)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("Demo:Every", "0")]
    [InlineData("Demo:BrokenFor", "-1")]
    [InlineData("Demo:FirstBreak", "soon")]
    public void DemoTimes_OutOfRange_AreNamed(string key, string value) =>
        Assert.StartsWith($"{key} is '{value}'", Assert.Throws<DistributedApplicationException>(() => DemoTimes.From(Settings((key, value)))).Message, StringComparison.Ordinal);

    private static Installation Open(TempFolder folder, string data) => Installation.Open(Settings(("Storage:Directory", data), ("Policies:Directory", folder.Path)), folder.Path);

    private static IConfiguration Settings(params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationManager();
        foreach (var (key, value) in settings) configuration[key] = value;
        return configuration;
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
    public void Tell_StepOfTheSameMomentOrEarlier_HasALatencyOfZero()
    {
        var story = new Story(TimeSpan.Zero);
        story.Add(new StoryStep(Start, "breaks", StoryMood.Plain, Begins: true));
        story.Add(new StoryStep(Start, "fails", StoryMood.Bad));
        Assert.Equal("story  +  0.000 s    0 ms later  fails", story.Tell(Start.AddSeconds(1))[1].Line);
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
