using Microsoft.Extensions.DependencyInjection;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;
using Vigil.Alerting.Storage;
using Vigil.Alerting.Tests.Notify;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Grains;

/// <summary>Policies as grains: one fake clock, the real silo, the real store, restarts.</summary>
public sealed class PolicyGrainTests : IDisposable
{
    private const string Key = "p.yaml:g/Down";
    private const string Policies = """
        groups:
          - name: g
            rules:
              - alert: Down
                expr: up == 0
                severity: P1
                annotations: { summary: "{{ $labels.instance }} is down" }
              - alert: Slow
                expr: slow > 1
                for: 2s
              - alert: Long
                expr: long > 1
                for: 60s
        """;

    private readonly FakeClock clock = new();
    private readonly AlertingHome home = new(Policies);
    private readonly ScriptedChannel channel = new("c");

    public void Dispose() => home.Dispose();

    [Fact]
    public async Task Observe_Breach_TellsOnceAndKeepsARecord()
    {
        await using var host = await StartAsync(channel);

        await host.Observe(Key, clock.GetUtcNow(), "a");
        await host.Observe(Key, clock.GetUtcNow(), "a");

        var page = await channel.NextAttempt();
        Assert.Equal(("Down", true, "a is down"), (page.Alertname, page.Firing, page.Annotations["summary"]));
        await Waiting.Until(async () => (await Log(host).ListAsync(10, null, false, default)).Count == 1, "the delivery is on record");
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task Restart_WhileFiring_DoesNotPageAgainAndStillResolves()
    {
        var before = clock.GetUtcNow();
        await using (var host = await StartAsync(channel))
        {
            await host.Observe(Key, before, "a");
            await channel.NextAttempt();
            await Waiting.Until(async () => (await Log(host).ListAsync(10, null, false, default)).Count == 1, "the delivery is on record");
        }
        clock.Advance(TimeSpan.FromMinutes(5));
        var second = new ScriptedChannel("c");
        await using var restarted = await StartAsync(second);
        var restored = await restarted.Policy(Key).Read().DefaultTimeout();
        Assert.Equal((int)Sight.Unknown, restored!.Sight);
        Assert.Equal((int)AlertStatus.Firing, Assert.Single(restored.Alerts).Status);

        await restarted.Observe(Key, clock.GetUtcNow(), "a");
        await restarted.Observe(Key, clock.GetUtcNow());

        var page = await second.NextAttempt();
        Assert.False(page.Firing);
        Assert.Equal(before, page.StartsAt);
    }

    [Fact]
    public async Task Crash_BetweenStoringAndSending_SendsAgainWithTheSameKey()
    {
        channel.Hold = new TaskCompletionSource().Task;
        string key;
        await using (var host = await StartAsync(channel))
        {
            await host.Observe(Key, clock.GetUtcNow(), "a");
            key = (await channel.NextAttempt()).IdempotencyKey;
        }

        var second = new ScriptedChannel("c");
        await using var restarted = await StartAsync(second);

        Assert.Equal(key, (await second.NextAttempt()).IdempotencyKey);
    }

    [Fact]
    public async Task Outbox_AlertThatFlapsWhileAChannelIsAway_IsBoundedAndTheNewestFiringIsTold()
    {
        var release = new TaskCompletionSource();
        channel.Hold = release.Task;
        await using var host = await StartAsync(channel);
        for (var i = 0; i < 40; i++)
        {
            await host.Observe(Key, clock.GetUtcNow(), "a");
            clock.Advance(TimeSpan.FromMilliseconds(1));
            await host.Observe(Key, clock.GetUtcNow());
            clock.Advance(TimeSpan.FromMilliseconds(1));
        }
        await host.Observe(Key, clock.GetUtcNow(), "a");
        var newest = clock.GetUtcNow();
        release.SetResult();

        var told = 1;
        while ((await channel.NextAttempt()).StartsAt != newest) told++;

        // The one that was being sent, and what the policy kept.
        Assert.InRange(told, 2, 1 + Outbox.MaxPerAlert);
        var dead = await Log(host).ListAsync(1_000, null, true, default);
        Assert.Equal(81 - told, dead.Count);
        Assert.All(dead, d => Assert.Contains("kept no longer", d.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Timer_ForOverBetweenEvaluations_FiresAtTheMoment()
    {
        await using var host = await StartAsync(channel);
        await host.Observe("p.yaml:g/Slow", clock.GetUtcNow(), "a");
        var due = clock.GetUtcNow().AddSeconds(2);

        clock.Advance(TimeSpan.FromSeconds(2));

        var page = await channel.NextAttempt();
        Assert.Equal(("Slow", due), (page.Alertname, page.StartsAt));
    }

    [Fact]
    public async Task Restart_WhilePending_KeepsItsClock()
    {
        const string key = "p.yaml:g/Long";
        await using (var host = await StartAsync(channel)) await host.Observe(key, clock.GetUtcNow(), "a");
        clock.Advance(TimeSpan.FromSeconds(59));
        await using var restarted = await StartAsync(channel);
        await restarted.Observe(key, clock.GetUtcNow(), "a");
        Assert.False(channel.HasMore);

        clock.Advance(TimeSpan.FromSeconds(1));
        await restarted.Observe(key, clock.GetUtcNow(), "a");

        Assert.Equal("Long", (await channel.NextAttempt()).Alertname);
    }

    [Fact]
    public async Task Silence_ThreeHeartbeats_IsUnknownAndNothingResolves()
    {
        await using var host = await StartAsync(channel);
        await host.Observe(Key, clock.GetUtcNow(), "a");
        await channel.NextAttempt();

        clock.Advance(TimeSpan.FromSeconds(4));

        await Waiting.Until(async () => (await host.Policy(Key).Read())!.Sight == (int)Sight.Unknown, "the policy knows nothing any more");
        var snapshot = (await host.Policy(Key).Read().DefaultTimeout())!;
        Assert.Contains("nothing heard", snapshot.SightReason, StringComparison.Ordinal);
        Assert.Equal((int)AlertStatus.Firing, Assert.Single(snapshot.Alerts).Status);
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task NoData_WhileFiring_IsAStateOfItsOwnAndNothingResolves()
    {
        await using var host = await StartAsync(channel);
        await host.Observe(Key, clock.GetUtcNow(), "a");
        await channel.NextAttempt();

        await host.NoData(Key, clock.GetUtcNow());

        var snapshot = (await host.Policy(Key).Read().DefaultTimeout())!;
        Assert.Equal((int)Sight.NoData, snapshot.Sight);
        Assert.Equal((int)AlertStatus.Firing, Assert.Single(snapshot.Alerts).Status);
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task Reload_ChangedExpression_EndsItsAlertsWithTheReason()
    {
        await using var host = await StartAsync(channel);
        await host.Observe(Key, clock.GetUtcNow(), "a");
        await channel.NextAttempt();
        home.Write(Policies.Replace("up == 0", "up < 1", StringComparison.Ordinal));

        var result = await host.Loader.LoadAsync(default).DefaultTimeout();

        Assert.Equal((true, 0, 1, 0), (result.Applied, result.Added, result.Changed, result.Removed));
        var page = await channel.NextAttempt();
        Assert.False(page.Firing);
        Assert.Contains("the policy was changed", page.Reason, StringComparison.Ordinal);
        Assert.Empty((await host.Policy(Key).Read().DefaultTimeout())!.Alerts);
    }

    [Fact]
    public async Task Reload_ChangedAnnotation_KeepsFiring()
    {
        await using var host = await StartAsync(channel);
        await host.Observe(Key, clock.GetUtcNow(), "a");
        await channel.NextAttempt();
        home.Write(Policies.Replace("is down", "does not answer", StringComparison.Ordinal));

        await host.Loader.LoadAsync(default).DefaultTimeout();

        Assert.Equal("a does not answer", Assert.Single((await host.Policy(Key).Read().DefaultTimeout())!.Alerts).Annotations["summary"]);
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task Reload_RemovedPolicy_ResolvesAndIsForgotten()
    {
        await using var host = await StartAsync(channel);
        await host.Observe(Key, clock.GetUtcNow(), "a");
        await channel.NextAttempt();
        home.Write("groups:\n- name: g\n  rules:\n  - alert: Other\n    expr: up == 2\n");

        var result = await host.Loader.LoadAsync(default).DefaultTimeout();

        Assert.Equal((1, 0, 3), (result.Added, result.Changed, result.Removed));
        Assert.False((await channel.NextAttempt()).Firing);
        Assert.Null(await host.Policy(Key).Read().DefaultTimeout());
    }

    [Fact]
    public async Task Reload_BadFile_ChangesNothingAlsoAfterARestart()
    {
        await using (var host = await StartAsync(channel))
        {
            home.Write(Policies.Replace("for: 2s", "for: soon", StringComparison.Ordinal));
            var result = await host.Loader.LoadAsync(default).DefaultTimeout();
            Assert.False(result.Applied);
            Assert.Equal(("p.yaml", 10, "groups[0].rules[1].for"), (result.Diagnostics[0].File, result.Diagnostics[0].Line, result.Diagnostics[0].Key));
        }
        await using var restarted = await StartAsync(channel);

        await restarted.Observe(Key, clock.GetUtcNow(), "a");

        Assert.Equal("Down", (await channel.NextAttempt()).Alertname);
    }

    private Task<AlertingHost> StartAsync(ScriptedChannel to) => AlertingHost.StartAsync(home, clock, channels: [to]);

    private static DeliveryLog Log(AlertingHost host) => host.Services.GetRequiredService<DeliveryLog>();
}
