using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Aspire.Hosting.Runtime;
using Vigil.Client;
using Vigil.Testing;
using Xunit;

namespace Vigil.EndToEnd;

/// <summary>
/// The whole of Vigil, started as a person starts it. With VIGIL_E2E_KILLS=50 services are killed fifty times; without it each is killed once.
/// </summary>
public sealed class SystemTests
{
    private const int SigInt = 2;

    private const string Policies = """
        groups:
          - name: e2e
            rules:
              - alert: TooHigh
                expr: e2e_value > 10
                severity: P1
                annotations: { summary: 'round {{ $labels.round }} is at {{ $value }}' }
        """;

    private const string Agent = "vigil.dll";

    private static readonly string[] Services = ["Vigil.Metrics.dll", "Vigil.Alerting.dll"];

    [Fact]
    public async Task Kill9_OfEachService_LosesNothingAcknowledgedAndNoPage()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("VIGIL_E2E_KILLS") ?? "2", CultureInfo.InvariantCulture);
        await using var pager = await Pager.StartAsync().DefaultTimeout();
        using var system = new VigilSystem(new SystemSetup(Policies) { Environment = { ["Notify__Webhooks__0__Url"] = pager.Url } });
        await system.ReadyAsync();
        using var ingest = system.Client("ingest");
        using var read = system.Client("read");
        await using var pusher = ingest.OpenPusher(new MetricsPusherOptions { Labels = new Dictionary<string, string> { ["job"] = "e2e" } });
        using var streaming = new CancellationTokenSource();
        var stream = StreamAsync(pusher, streaming.Token);

        // Once with everything up: what is expected of the rounds below can be had at all.
        await RoundAsync(system, pager, pusher, "calm", victim: null);
        for (var i = 0; i < kills; i++) await RoundAsync(system, pager, pusher, i.ToString(CultureInfo.InvariantCulture), Services[i % Services.Length]);

        await streaming.CancelAsync();
        var acknowledged = await stream.DefaultTimeout(VigilSystem.RecoveryTimeout);
        Assert.True(acknowledged > 100, $"only {acknowledged} samples were acknowledged: the stream hardly ran");
        var stored = Assert.Single((await read.QueryAsync("count_over_time(e2e_counter[1d])").DefaultTimeout()).Vector!).Value;
        Assert.Equal(acknowledged, stored);
        Assert.Equal(0, pusher.Statistics.Refused);

        system.Signal(SigInt);
        Assert.Equal(0, await system.ExitAsync());
    }

    [Fact]
    public async Task Kill9_OfTheAppHost_LeavesNoOrphans()
    {
        using var system = new VigilSystem(new SystemSetup(Policies));
        await system.ReadyAsync();
        Assert.Equal(2, system.Processes().Count);
        system.Signal(Procfs.SigKill);
        await system.ExitAsync();
        await Waiting.Until(() => Task.FromResult(system.Processes().Count == 0), "no service is left");
        Assert.All(system.Ports, port => Assert.True(Ports.IsFree(port)));
    }

    /// <summary>"dotnet run" starts AppHost as a process of its own: whoever kills what they see as the AppHost may kill either, or both.</summary>
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Kill9_OfDotnetRun_LeavesNoOrphans(bool launcher, bool appHost)
    {
        using var system = new VigilSystem(new SystemSetup(Policies) { DotnetRun = true });
        await system.ReadyAsync();
        Assert.Equal(2, system.Processes().Count);
        var watchdog = Assert.Single(Procfs.Pids(), pid => Procfs.CommandLineOf(pid)?.Contains($"Vigil.Platform.Aspire.dll {system.AppHostPid}:", StringComparison.Ordinal) == true);
        if (launcher) system.Signal(Procfs.SigKill);
        if (appHost) Procfs.Signal(system.AppHostPid, Procfs.SigKill);
        await system.ExitAsync();
        await Waiting.Until(() => Task.FromResult(system.Processes().Count == 0 && Procfs.StartOf(system.AppHostPid) is null && Procfs.StartOf(watchdog) is null),
            "no service, no AppHost and no watchdog is left", VigilSystem.RecoveryTimeout);
        Assert.All(system.Ports, port => Assert.True(Ports.IsFree(port)));
    }

    [Fact]
    public async Task Kill9_OfTheAgent_ItsSeriesGoOnAndNothingIsDoubled()
    {
        using var system = new VigilSystem(new SystemSetup(Policies) { Agent = true });
        await system.ReadyAsync();
        using var read = system.Client("read");
        await Waiting.Until(async () => await ValueAsync("count_over_time(up{job=\"host\"}[1d])") >= 2, "the agent streams", VigilSystem.RecoveryTimeout);
        var series = await ValueAsync("count({job=\"host\"})");
        var killed = system.ProcessOf(Agent)!.Value;

        Procfs.Signal(killed, Procfs.SigKill);
        await Waiting.Until(() => Task.FromResult(system.ProcessOf(Agent) is { } now && now != killed), "the agent runs again", VigilSystem.RecoveryTimeout);
        await system.PrintsAsync(text => Regex.Count(text, "agent +\\| .*agent started") == 2, "the new agent streams");
        var before = await ValueAsync("count_over_time(up{job=\"host\"}[1d])");
        await Waiting.Until(async () => await ValueAsync("count_over_time(up{job=\"host\"}[1d])") >= before + 2, "the agent's series go on", VigilSystem.RecoveryTimeout);

        // The same series, not others beside them; still up; and the host's counters, which count since boot, did not begin again.
        Assert.Equal(series, await ValueAsync("count({job=\"host\"})"));
        Assert.Equal(1, await ValueAsync("up{job=\"host\"}"));
        Assert.Equal(0, await ValueAsync("sum(resets(host_network_receive_bytes_total[1d])) or vector(0)"));
        // At most one sample a second, from both agents together: what was streamed before the kill is not there a second time.
        var span = await ValueAsync("max_over_time(timestamp(up{job=\"host\"})[1h:1s]) - min_over_time(timestamp(up{job=\"host\"})[1h:1s])");
        Assert.InRange(await ValueAsync("count_over_time(up{job=\"host\"}[1d])"), 4, span + 3);

        async Task<double> ValueAsync(string expr) => (await read.QueryAsync(expr).DefaultTimeout()).Vector is [var only] ? only.Value : 0;
    }

    [Fact]
    public async Task Start_OnADataDirectoryInUse_IsRefusedWithWhoHasItAndDisturbsNothing()
    {
        using var first = new VigilSystem(new SystemSetup(Policies));
        await first.ReadyAsync();
        var tokens = await File.ReadAllTextAsync(Path.Combine(first.Data, "tokens.json"));

        using var second = new VigilSystem(new SystemSetup(Policies) { Data = first.Data });
        Assert.Equal(1, await second.ExitAsync());

        Assert.StartsWith($"the data directory {first.Data} is in use by another AppHost, process {first.AppHostPid} (", second.Text, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', second.Text);
        Assert.Equal(tokens, await File.ReadAllTextAsync(Path.Combine(first.Data, "tokens.json")));
        using var ingest = first.Client("ingest");
        await using (var pusher = ingest.OpenPusher(new MetricsPusherOptions { Labels = new Dictionary<string, string> { ["job"] = "e2e" } }))
        {
            pusher.Record(pusher.Declare("still_there"), 1);
            await pusher.FlushDurableAsync().DefaultTimeout();
        }
        first.Signal(SigInt);
        Assert.Equal(0, await first.ExitAsync());
    }

    [FactNeeds("env")]
    public async Task Push_InterruptedAndPushedAgain_SaysWhatIsStoredAndCountsNothingTwice()
    {
        const int half = 20_000;
        using var system = new VigilSystem(new SystemSetup(Policies));
        await system.ReadyAsync();
        using var read = system.Client("read");
        var start = TimeProvider.System.GetUtcNow().AddMinutes(-5).ToUnixTimeMilliseconds();
        // Few samples for each series: those that lie further back take no late ones, and refuse a resend instead of knowing it.
        string Line(int i) => string.Create(CultureInfo.InvariantCulture, $"pushed{{s=\"{i % 1000}\"}} {i} {start + (i / 1000 * 1000)}");

        using (var push = Push(system))
        {
            for (var i = 0; i < half; i++) await push.StandardInput.WriteLineAsync(Line(i));
            await push.StandardInput.FlushAsync();
            // The input pauses here, so all of it is sent.
            await Waiting.Until(async () => await CountAsync() == half, "all that was written is stored", VigilSystem.RecoveryTimeout);
            Procfs.Signal(push.Id, SigInt);
            var (output, errors) = (await push.StandardOutput.ReadToEndAsync().DefaultTimeout(), await push.StandardError.ReadToEndAsync().DefaultTimeout());
            await push.WaitForExitAsync().DefaultTimeout();
            Assert.Equal(130, push.ExitCode);
            Assert.Equal("20000 accepted, 0 refused, 0 known already\n", output);
            Assert.Equal("vigil: interrupted: all 20000 samples read so far are acknowledged\n", errors);
        }

        using var again = Push(system);
        for (var i = 0; i < 2 * half; i++) await again.StandardInput.WriteLineAsync(Line(i));
        again.StandardInput.Close();
        Assert.Equal("20000 accepted, 0 refused, 20000 known already\n", await again.StandardOutput.ReadToEndAsync().DefaultTimeout(VigilSystem.RecoveryTimeout));
        await again.WaitForExitAsync().DefaultTimeout();
        Assert.Equal(0, again.ExitCode);
        Assert.Equal(2 * half, await CountAsync());

        async Task<double> CountAsync() => (await read.QueryAsync("sum(count_over_time(pushed[1d]))").DefaultTimeout()).Vector is [var only] ? only.Value : 0;
    }

    [Fact]
    public async Task Start_DamagedTokens_IsOneLineThatNamesTheFileAndStartsNothing()
    {
        var data = Directory.CreateTempSubdirectory("vigil data-");
        try
        {
            var file = Path.Combine(data.FullName, "tokens.json");
            await File.WriteAllTextAsync(file, "{\"ingest\": ");
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            using var system = new VigilSystem(new SystemSetup(Policies) { Data = data.FullName });
            Assert.Equal(1, await system.ExitAsync());
            Assert.StartsWith($"{file} is not a JSON object", system.Text, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', system.Text);
        }
        finally
        {
            data.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Interrupt_OfTheAppHost_StopsEveryServiceInOrder()
    {
        using var system = new VigilSystem(new SystemSetup(Policies));
        await system.ReadyAsync();
        system.Signal(SigInt);
        Assert.Equal(0, await system.ExitAsync());
        Assert.Empty(system.Processes());
        Assert.DoesNotContain("killed", system.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithAPortTaken_SaysWhichByWhomAndStartsNothing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        using var system = new VigilSystem(new SystemSetup(Policies, $"--Ports:alerting:http={port}"));
        Assert.Equal(1, await system.ExitAsync());
        Assert.Contains($"port {port}, which alerting needs for its endpoint 'http', is taken by process {Environment.ProcessId} (", system.Text, StringComparison.Ordinal);
        Assert.Empty(system.Processes());
    }

    /// <summary>A value too high while a service is down must page all the same, once it is back; and its end must be told as well.</summary>
    private static async Task RoundAsync(VigilSystem system, Pager pager, MetricsPusher pusher, string round, string? victim)
    {
        var value = pusher.Declare("e2e_value", [new("round", round)]);
        int? killed = null;
        if (victim is not null)
        {
            killed = system.ProcessOf(victim) ?? throw new InvalidOperationException($"{victim} does not run:\n{system.Text}");
            Procfs.Signal(killed.Value, Procfs.SigKill);
        }
        pusher.Record(value, 20);
        await ToldAsync("firing");
        if (victim is not null)
            await Waiting.Until(() => Task.FromResult(system.ProcessOf(victim) is { } now && now != killed), $"{victim} runs again", VigilSystem.RecoveryTimeout);
        pusher.Record(value, 1);
        await ToldAsync("resolved");

        async Task ToldAsync(string status)
        {
            try
            {
                await pusher.FlushAsync().DefaultTimeout(VigilSystem.RecoveryTimeout);
                await Waiting.Until(() => Task.FromResult(pager.Keys(round, status).Count > 0), $"the page '{status}' of round {round} arrives", VigilSystem.RecoveryTimeout);
            }
            catch (TimeoutException e)
            {
                throw new TimeoutException($"{e.Message}\n{system.Text}");
            }
            // It may come twice after a crash, but then with the key by which the receiver drops the second.
            Assert.Single(pager.Keys(round, status).Distinct());
        }
    }

    /// <summary>Streams numbered samples as fast as they are acknowledged, until told to stop; returns how many were.</summary>
    private static async Task<long> StreamAsync(MetricsPusher pusher, CancellationToken stop)
    {
        var counter = pusher.Declare("e2e_counter");
        var at = DateTimeOffset.UnixEpoch;
        long acknowledged = 0;
        while (!stop.IsCancellationRequested)
        {
            const int batch = 10;
            for (var i = 0; i < batch; i++)
            {
                // Each its own millisecond: two samples of one moment would be one.
                var now = TimeProvider.System.GetUtcNow();
                at = now > at.AddMilliseconds(1) ? now : at.AddMilliseconds(1);
                pusher.Record(counter, acknowledged + i, at);
            }
            await pusher.FlushDurableAsync(CancellationToken.None);
            acknowledged += batch;
            // Slower than a millisecond a sample, or the samples' times would run ahead of the clock.
            await Task.Delay(20, CancellationToken.None);
        }
        return acknowledged;
    }

    /// <summary>The terminal client, which heeds Ctrl+C also where the test run itself was started with it ignored, as shells start what is in the background.</summary>
    private static Process Push(VigilSystem system)
    {
        var start = new ProcessStartInfo(Needs.Require("env"), ["--default-signal=INT", Dotnet.Path, VigilSystem.Cli, "push", "--job", "pushed", "--metrics", $"http://127.0.0.1:{system.Ports[0]}", "--token", system.Token("ingest")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        return Process.Start(start)!;
    }
}
