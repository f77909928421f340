using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Alerting.Tests.Notify;
using Vigil.Alerting.Tests.Watch;
using Vigil.Alerting.V1;
using Vigil.Alerting.Watch;
using Vigil.Testing;

namespace Vigil.Alerting.Tests;

/// <summary>The whole service in one process, between a Metrics and a webhook that do as they are told.</summary>
public sealed class AlertingServiceTests : IAsyncLifetime
{
    private const string Key = "p.yaml:g/Down";
    private const string Policy = """
        groups:
          - name: g
            rules:
              - alert: Down
                row: A14
                expr: up == 0
                severity: P1
                respond_within: 15m
                annotations: { summary: "{{ $labels.instance }} is down" }
        """;

    private readonly AlertingHome home = new(Policy);
    private readonly TimeProvider clock = TimeProvider.System;
    private FakeMetrics metrics = null!;
    private WebhookServer webhook = null!;

    public async Task InitializeAsync()
    {
        metrics = await FakeMetrics.StartAsync();
        webhook = await WebhookServer.StartAsync(_ => Results.Ok());
    }

    public async Task DisposeAsync()
    {
        await webhook.DisposeAsync();
        await metrics.DisposeAsync();
        home.Dispose();
    }

    [Fact]
    public async Task M18_Breach_IsWatchedToldListedAndResolved()
    {
        await using var host = await StartAsync();
        using var watch = host.Alerts.WatchAlerts(new WatchAlertsRequest { OnlyNew = true });
        await watch.ResponseHeadersAsync.DefaultTimeout();
        var registration = await metrics.NextRegistration();
        Assert.Equal((Key, "up == 0", 1_000u), (registration.WatchId, registration.Expr, registration.HeartbeatMs));

        metrics.Say(Key, clock.GetUtcNow(), 1, "a");
        await webhook.Arrival();

        var alert = JsonDocument.Parse(await host.Http.GetStringAsync("/api/v2/alerts")).RootElement[0];
        Assert.Equal(("active", "a", "a is down", "webhook-0"), (alert.GetProperty("status").GetProperty("state").GetString(),
            alert.GetProperty("labels").GetProperty("instance").GetString(), alert.GetProperty("annotations").GetProperty("summary").GetString(),
            alert.GetProperty("receivers")[0].GetProperty("name").GetString()));
        Assert.Equal(16, alert.GetProperty("fingerprint").GetString()!.Length);
        var v1 = JsonDocument.Parse(await host.Http.GetStringAsync("/api/v1/alerts")).RootElement;
        Assert.Equal(("success", 1), (v1.GetProperty("status").GetString(), v1.GetProperty("data").GetArrayLength()));
        Assert.Equal("[]", await host.Http.GetStringAsync("/api/v2/alerts?filter=alertname%3D%22Other%22"));
        Assert.Equal("[]", await host.Http.GetStringAsync("/api/v2/alerts?active=false"));
        Assert.Equal(HttpStatusCode.BadRequest, (await host.Http.GetAsync("/api/v2/alerts?filter=%3D%3D")).StatusCode);
        var listed = Assert.Single((await host.Alerts.ListAlertsAsync(new ListAlertsRequest())).Alerts);
        Assert.Equal((AlertStatus.Firing, Sight.Clear, "A14"), (listed.Status, listed.Sight, listed.Response.Row));

        metrics.Say(Key, clock.GetUtcNow(), 1);
        await webhook.Arrival();
        Assert.Equal("[]", await host.Http.GetStringAsync("/api/v2/alerts"));

        var seen = new List<string>();
        while (seen.Count(s => s.StartsWith("delivered", StringComparison.Ordinal)) < 2)
        {
            Assert.True(await watch.ResponseStream.MoveNext().DefaultTimeout());
            var change = watch.ResponseStream.Current;
            seen.Add(change.ChangeCase switch
            {
                AlertTransition.ChangeOneofCase.Alert => $"{change.Alert.From}->{change.Alert.To}",
                AlertTransition.ChangeOneofCase.Delivery => $"delivered {change.Delivery.Status}",
                _ => "sight",
            });
        }
        Assert.Equal(["Inactive->Firing", "delivered firing", "Firing->Resolved", "delivered resolved"], seen.Where(s => s != "sight"));
    }

    [Fact]
    public async Task Watch_StreamThatBreaks_IsOpenedAgainAndRegisteredAnew()
    {
        await using var host = await StartAsync();
        await metrics.NextRegistration();

        metrics.Break();

        Assert.Equal(Key, (await metrics.NextRegistration()).WatchId);
        metrics.Say(Key, clock.GetUtcNow(), 1, "a");
        await webhook.Arrival();
    }

    [Fact]
    public async Task Watch_RegistrationThatFails_IsTriedAgainOnAStreamOfItsOwn()
    {
        await using var host = await StartAsync();
        await metrics.NextRegistration();
        var table = host.Services.GetRequiredService<PolicyTable>();
        var good = table.Current.Values.ToArray();
        var opened = metrics.Streams;

        // It cannot be written: the contract has no null.
        table.Replace([.. good, good[0] with { Key = "p.yaml:g/Broken", Expr = null! }]);
        await Waiting.Until(() => Task.FromResult(metrics.Streams > opened), "the stream was opened again");
        table.Replace(good);

        metrics.Say(Key, clock.GetUtcNow(), 1, "a");
        await webhook.Arrival();
    }

    [Fact]
    public async Task Watch_PolicyRemovedAndAdded_IsFollowed()
    {
        await using var host = await StartAsync();
        await metrics.NextRegistration();
        home.Write(Policy.Replace("Down", "Gone", StringComparison.Ordinal));

        var reloaded = await host.Policies.ReloadAsync(new ReloadRequest(), AlertingHost.Admin);

        Assert.Equal((true, 1u, 1u), (reloaded.Applied, reloaded.Added, reloaded.Removed));
        Assert.Equal("p.yaml:g/Gone", (await metrics.NextRegistration()).WatchId);
        Assert.Equal(Key, await metrics.NextUnregistration());
    }

    [Fact]
    public async Task Check_BadExpression_IsFoundByMetrics()
    {
        metrics.Refuse("up ==", "1:6: unexpected end of input");
        await using var host = await StartAsync();

        var good = await host.Policies.CheckAsync(new CheckRequest { Files = { new PolicyFile { Name = "x.yaml", Content = Policy } } });
        var bad = await host.Policies.CheckAsync(new CheckRequest { Files = { new PolicyFile { Name = "x.yaml", Content = Policy.Replace("up == 0", "up ==", StringComparison.Ordinal) } } });

        Assert.True(good.ExpressionsChecked);
        Assert.Empty(good.Diagnostics);
        var finding = Assert.Single(bad.Diagnostics);
        Assert.Equal((Diagnostic.Types.Level.Error, "x.yaml", 4u, "1:6: unexpected end of input"), (finding.Level, finding.File, finding.Line, finding.Reason));
    }

    [Fact]
    public async Task Policies_InForce_AreListedWithTheirState()
    {
        await using var host = await StartAsync();
        await metrics.NextRegistration();
        Assert.Equal(Sight.Unknown, (await host.Policies.GetPolicyAsync(new GetPolicyRequest { Key = Key })).Sight);
        metrics.Say(Key, clock.GetUtcNow(), 1, "a");
        await webhook.Arrival();

        var policy = Assert.Single((await host.Policies.ListPoliciesAsync(new ListPoliciesRequest())).Policies);

        Assert.Equal((Key, AlertStatus.Firing, Sight.Clear, 900L, 1u), (policy.Key, policy.Status, policy.Sight, policy.Response.RespondWithinS, policy.Firing));
        var missing = await Assert.ThrowsAsync<RpcException>(async () => await host.Policies.GetPolicyAsync(new GetPolicyRequest { Key = "x" }));
        Assert.Equal(StatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Channel_Test_SendsOnePageAndNeedsOperate()
    {
        await using var host = await StartAsync();

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await host.Notifications.TestChannelAsync(new TestChannelRequest { Channel = "webhook-0" }));
        Assert.True(refused.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied);
        var result = await host.Notifications.TestChannelAsync(new TestChannelRequest { Channel = "webhook-0" }, AlertingHost.Admin);

        Assert.True(result.Delivered, result.Detail);
        Assert.Contains("\"test\":true", webhook.Received.Single().Body, StringComparison.Ordinal);
    }

    [FactNeeds("amtool")]
    public async Task Amtool_AlertQuery_ListsWhatFires()
    {
        await using var host = await StartAsync();
        await metrics.NextRegistration();
        metrics.Say(Key, clock.GetUtcNow(), 1, "a", "b");
        await webhook.Arrival();
        await webhook.Arrival();

        var table = await Amtool("alert", "query", "-o", "extended", "alertname=Down");
        Assert.Contains("instance=\"a\"", table, StringComparison.Ordinal);
        Assert.Contains("instance=\"b\"", table, StringComparison.Ordinal);
        var one = await Amtool("alert", "query", "-o", "json", "instance=~b");
        Assert.Equal("b", JsonDocument.Parse(one).RootElement[0].GetProperty("labels").GetProperty("instance").GetString());

        async Task<string> Amtool(params string[] args)
        {
            using var process = Process.Start(new ProcessStartInfo(Needs.Require("amtool"), [.. args, $"--alertmanager.url={host.Http.BaseAddress}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var output = await process.StandardOutput.ReadToEndAsync().DefaultTimeout();
            var error = await process.StandardError.ReadToEndAsync().DefaultTimeout();
            await process.WaitForExitAsync().DefaultTimeout();
            Assert.True(process.ExitCode == 0, error);
            return output;
        }
    }

    private Task<AlertingHost> StartAsync() => AlertingHost.StartAsync(home, clock, metrics.Url, null, ("Notify:Webhooks:0:Url", webhook.Url));
}
