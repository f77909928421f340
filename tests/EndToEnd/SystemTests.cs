using System.Globalization;
using System.Net;
using System.Net.Sockets;
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

    private static readonly string[] Services = ["Vigil.Metrics.dll", "Vigil.Alerting.dll"];

    [Fact]
    public async Task Kill9_OfEachService_LosesNothingAcknowledgedAndNoPage()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("VIGIL_E2E_KILLS") ?? "2", CultureInfo.InvariantCulture);
        await using var pager = await Pager.StartAsync().DefaultTimeout();
        using var system = new VigilSystem(Policies, pager.Url);
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
        using var system = new VigilSystem(Policies, null);
        await system.ReadyAsync();
        Assert.Equal(2, system.Processes().Count);
        system.Signal(Procfs.SigKill);
        await system.ExitAsync();
        await Waiting.Until(() => Task.FromResult(system.Processes().Count == 0), "no service is left");
        Assert.All(system.Ports, port => Assert.True(Ports.IsFree(port)));
    }

    [Fact]
    public async Task Interrupt_OfTheAppHost_StopsEveryServiceInOrder()
    {
        using var system = new VigilSystem(Policies, null);
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
        using var system = new VigilSystem(Policies, null, $"--Ports:alerting:http={port}");
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
}
