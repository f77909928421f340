using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Runtime;
using Vigil.Testing;
using Xunit;

namespace Vigil.Aspire.Tests;

/// <summary>Real processes, started by an AppHost inside the test process.</summary>
public sealed class SystemTests
{
    private static readonly HttpClient Http = new();

    [Fact]
    public async Task Start_ServerAndItsUser_WaitsForHealthThenStartsTheUser()
    {
        using var folder = new TempFolder();
        var (builder, lines) = TestProgram.Builder(folder);
        var server = builder.AddTestProgram("server", "serve").WithHttpEndpoint(env: "PORT").WithHttpHealthCheck("/health");
        builder.AddTestProgram("user", "serve").WithHttpEndpoint(env: "PORT").WithHttpHealthCheck("/health").WaitFor(server).WithReference(server.GetEndpoint("http"));
        await using var app = builder.Build();
        await app.StartAsync().DefaultTimeout();
        await app.ResourceNotifications.WaitForResourceHealthyAsync("user").DefaultTimeout();
        Assert.True(app.ResourceNotifications.TryGetCurrentState("user", out var user));
        var environment = await Http.GetStringAsync(user.Snapshot.Urls[0].Url + "/env").DefaultTimeout();
        Assert.Contains($"services__server__http__0={server.GetEndpoint("http").Url}", environment, StringComparison.Ordinal);
        await app.StopAsync().DefaultTimeout();
        var order = lines.Text.Split('\n').ToList();
        Assert.True(order.FindIndex(l => l.StartsWith("server  | ready", StringComparison.Ordinal)) < order.FindIndex(l => l.StartsWith("user    | listening", StringComparison.Ordinal)), lines.Text);
        Assert.True(order.FindIndex(l => l.StartsWith("user    | stopping as asked", StringComparison.Ordinal)) < order.FindIndex(l => l.StartsWith("server  | stopping as asked", StringComparison.Ordinal)), lines.Text);
    }

    [Fact]
    public async Task Crash_OfAServer_StartsItAgainOnTheSamePort()
    {
        using var folder = new TempFolder();
        var (builder, lines) = TestProgram.Builder(folder);
        var server = builder.AddTestProgram("server", "serve").WithHttpEndpoint(env: "PORT").WithHttpHealthCheck("/health");
        await using var app = builder.Build();
        await app.StartAsync().DefaultTimeout();
        await app.ResourceNotifications.WaitForResourceHealthyAsync("server").DefaultTimeout();
        var url = server.GetEndpoint("http").Url;
        var pid = int.Parse(await Http.GetStringAsync(url + "/pid").DefaultTimeout(), CultureInfo.InvariantCulture);
        Procfs.Signal(pid, Procfs.SigKill);
        await app.ResourceNotifications.WaitForResourceAsync("server", e => e.Snapshot.ExitCode == 137).DefaultTimeout();
        await lines.Next("SIGKILL");
        await app.ResourceNotifications.WaitForResourceHealthyAsync("server").DefaultTimeout();
        Assert.NotEqual(pid, int.Parse(await Http.GetStringAsync(url + "/pid").DefaultTimeout(), CultureInfo.InvariantCulture));
        await app.StopAsync().DefaultTimeout();
    }

    [Fact]
    public async Task Crash_AgainAndAgain_SaysSoWithTheLastLines()
    {
        using var folder = new TempFolder();
        var (builder, lines) = TestProgram.Builder(folder);
        builder.AddTestProgram("faller", "crash", "7");
        await using var app = builder.Build();
        await app.StartAsync().DefaultTimeout();
        await lines.Next("died with exit code 7; starts again in 0.25 s");
        await lines.Next("died with exit code 7; starts again in 0.5 s");
        var told = await lines.Next("keeps dying");
        Assert.Contains("faller keeps dying: 3 times in a row, now with exit code 7. Next try in 1 s. Its last lines:", told, StringComparison.Ordinal);
        await lines.Next("    about to fall");
        await lines.Next("    the reason is written on the error stream");
        await app.StopAsync().DefaultTimeout();
    }

    [Theory]
    [InlineData(7, true)]
    [InlineData(0, false)]
    public async Task WaitForCompletion_ExitCode_DecidesWhetherTheOtherStarts(int expected, bool starts)
    {
        using var folder = new TempFolder();
        var (builder, lines) = TestProgram.Builder(folder);
        var once = builder.AddTestProgram("once", "crash", "7");
        builder.AddTestProgram("next", "serve").WithHttpEndpoint(env: "PORT").WaitForCompletion(once, expected);
        await using var app = builder.Build();
        await app.StartAsync().DefaultTimeout();
        if (starts) await app.ResourceNotifications.WaitForResourceHealthyAsync("next").DefaultTimeout();
        else await lines.Next("next is not started: it waits for 'once' to end with exit code 0, and that ended with exit code 7");
        await app.StopAsync().DefaultTimeout();
    }

    [Fact]
    public async Task Start_MissingProgram_SaysSoAndLeavesTheOthersRunning()
    {
        using var folder = new TempFolder();
        var (builder, lines) = TestProgram.Builder(folder);
        builder.AddExecutable("ghost", "no-such-program-here", ".");
        builder.AddTestProgram("server", "serve").WithHttpEndpoint(env: "PORT").WithHttpHealthCheck();
        builder.AddTestProgram("later", "serve").WithExplicitStart();
        await using var app = builder.Build();
        await app.StartAsync().DefaultTimeout();
        await lines.Next("ghost cannot be started");
        await app.ResourceNotifications.WaitForResourceAsync("ghost", KnownResourceStates.FailedToStart).DefaultTimeout();
        await app.ResourceNotifications.WaitForResourceHealthyAsync("server").DefaultTimeout();
        Assert.True(app.ResourceNotifications.TryGetCurrentState("later", out var later));
        Assert.Equal(KnownResourceStates.NotStarted, later.Snapshot.State?.Text);
        await app.StopAsync().DefaultTimeout();
    }

    [Fact]
    public async Task Start_ResourcesThatWaitForEachOther_NamesTheCircle()
    {
        using var folder = new TempFolder();
        var (builder, _) = TestProgram.Builder(folder);
        var a = builder.AddTestProgram("a", "serve");
        var b = builder.AddTestProgram("b", "serve").WaitFor(a);
        a.WaitFor(b);
        await using var app = builder.Build();
        Assert.Contains("a -> b -> a", (await Assert.ThrowsAsync<DistributedApplicationException>(() => app.StartAsync().DefaultTimeout())).Message, StringComparison.Ordinal);
    }
}

/// <summary>AppHosts in processes of their own, which are asked to stop, and killed.</summary>
public sealed class AppHostProcessTests
{
    private const int SigInt = 2;

    [Theory]
    [InlineData(SigInt)]
    [InlineData(Procfs.SigTerm)]
    public async Task Signal_ToTheAppHost_StopsEverything(int signal)
    {
        using var folder = new TempFolder();
        using var host = new HostProcess(folder.Path, "serve", "serve");
        await host.Lines.Next("ready");
        await host.Lines.Next("ready");
        host.Signal(signal);
        Assert.Equal(0, await host.Exit());
        Assert.Contains("serve-0 | stopping as asked", host.Lines.Text, StringComparison.Ordinal);
        await NothingLeft(folder);
    }

    [Fact]
    public async Task Interrupt_OfTheWholeTerminal_StopsInOrderAndStartsNothingAgain()
    {
        using var folder = new TempFolder();
        using var host = new HostProcess(folder.Path, "serve", "slow");
        await host.Lines.Next("slow-1  | listening");
        host.SignalGroup(SigInt);
        Assert.Equal(0, await host.Exit());
        Assert.DoesNotContain("starts again", host.Lines.Text, StringComparison.Ordinal);
        Assert.Equal(["apphost | stopping ...", "slow-1  | stopped", "serve-0 | stopping as asked", "serve-0 | stopped", "apphost | stopped"], host.Lines.Text.Split('\n')[^5..]);
        await NothingLeft(folder);
    }

    [Fact]
    public async Task SecondInterrupt_WhileSomethingIgnoresSigterm_KillsIt()
    {
        using var folder = new TempFolder();
        using var host = new HostProcess(folder.Path, "stubborn");
        await host.Lines.Next("listening");
        host.Signal(SigInt);
        await host.Lines.Next("SIGTERM ignored");
        host.Signal(SigInt);
        await host.Lines.Next("killed");
        Assert.Equal(0, await host.Exit());
        await NothingLeft(folder);
    }

    [Fact]
    public async Task Kill9_OfTheAppHost_LeavesNoOrphansNotEvenGrandchildrenThatIgnoreSigterm()
    {
        using var folder = new TempFolder();
        using var host = new HostProcess(folder.Path, "serve", "family");
        await Waiting.Until(() => Task.FromResult(host.Lines.Text.Contains("ready", StringComparison.Ordinal) && host.Lines.Text.Contains("family-1 | listening", StringComparison.Ordinal)), "both are up");
        await Waiting.Until(() => Task.FromResult(Ours(folder).Count == 3), "all three are found");
        host.Signal(Procfs.SigKill);
        await host.Exit();
        try
        {
            await NothingLeft(folder);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{host.Lines.Text}");
        }
    }

    [Fact]
    public async Task Start_AfterAppHostAndWatchdogWereKilled_EndsTheOrphansAndTakesTheirPort()
    {
        using var folder = new TempFolder();
        var port = TestProgram.FreePort().ToString(CultureInfo.InvariantCulture);
        using var first = new HostProcess(folder.Path, "serve:" + port);
        await first.Lines.Next("ready");
        var watchdog = Assert.Single(Procfs.Pids(), pid => Procfs.ParentOf(pid) == first.Pid && Procfs.CommandLineOf(pid)!.Contains("Vigil.Platform.Aspire.dll", StringComparison.Ordinal));
        Procfs.Signal(watchdog, Procfs.SigKill);
        first.Signal(Procfs.SigKill);
        await first.Exit();
        Assert.Single(Ours(folder));

        using var second = new HostProcess(folder.Path, "serve:" + port);
        await second.Lines.Next("stopped 1 process(es) that an earlier run had left behind");
        await second.Lines.Next("ready");
        second.Signal(SigInt);
        Assert.Equal(0, await second.Exit());
        await NothingLeft(folder);
    }

    [Fact]
    public async Task Start_PortTakenByALivingSystem_SaysByWhomAndStartsNothing()
    {
        using var folder = new TempFolder();
        using var other = new TempFolder();
        var port = TestProgram.FreePort().ToString(CultureInfo.InvariantCulture);
        using var first = new HostProcess(folder.Path, "serve:" + port);
        await first.Lines.Next("ready");
        using var second = new HostProcess(other.Path, "serve:" + port);
        var told = await second.Lines.Next("is taken by process");
        Assert.StartsWith($"port {port}, which serve-0 needs for its endpoint 'http', is taken by process {Ours(folder).Single()} (", told, StringComparison.Ordinal);
        Assert.Equal(1, await second.Exit());
        first.Signal(SigInt);
        Assert.Equal(0, await first.Exit());
    }

    [Fact]
    public async Task Project_BuiltOnceThenChanged_IsBuiltAgainOnlyWhenNeededAndErrorsAreShown()
    {
        using var folder = new TempFolder();
        var source = Path.Combine(folder.Path, "app", "Program.cs");
        Directory.CreateDirectory(Path.GetDirectoryName(source)!);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "app", "app.csproj"),
            "<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>").DefaultTimeout();
        await File.WriteAllTextAsync(source, "System.Console.WriteLine(\"first\");").DefaultTimeout();

        var text = await RunAsync("ended with exit code 0");
        Assert.Contains("building built", text, StringComparison.Ordinal);
        Assert.Contains("built   | first", text, StringComparison.Ordinal);

        text = await RunAsync("ended with exit code 0");
        Assert.DoesNotContain("building", text, StringComparison.Ordinal);
        Assert.Contains("built   | first", text, StringComparison.Ordinal);

        await File.WriteAllTextAsync(source, "System.Console.WriteLine(\"second\"").DefaultTimeout();
        text = await RunAsync("Program.cs(1,");
        Assert.Contains("the system does not build", text, StringComparison.Ordinal);
        Assert.Contains("error CS", text, StringComparison.Ordinal);

        async Task<string> RunAsync(string until)
        {
            using var host = new HostProcess(folder.Path, "project:app");
            await host.Lines.Next(until);
            host.Signal(SigInt);
            await host.Exit();
            return host.Lines.Text;
        }
    }

    private static IReadOnlyList<int> Ours(TempFolder folder) => RunTag.Find(tag => tag.Directory == folder.Path);

    private static Task NothingLeft(TempFolder folder) => Waiting.Until(() => Task.FromResult(Ours(folder).Count == 0), "no process of the AppHost is left");
}
