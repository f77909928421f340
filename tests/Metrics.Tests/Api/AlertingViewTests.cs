using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Alerting.V1;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

/// <summary>Rules and alerts with an Alerting beside, which is asked by its contract.</summary>
public sealed class AlertingViewTests
{
    private const long Active = 1_700_000_000_000;

    [Fact]
    public async Task RulesAndAlerts_AreAlertings_BesideTheRecordingRulesOfTheSameGroup()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-rules-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "p.yaml"), "groups:\n- name: g\n  interval: 30s\n  rules:\n  - alert: Down\n    expr: up==0\n  - record: total\n    expr: sum(up)\n");
            await using var alerting = await StartAsync();
            await using var host = await MetricsHost.StartAsync(settings: [("services:alerting:grpc:0", alerting.Urls.First()), ("Rules:Directory", folder.FullName)]);
            using var client = new PrometheusClient(host);
            await host.Services.GetRequiredService<Vigil.Metrics.Rules.RuleLoader>().LoadAsync(CancellationToken.None).DefaultTimeout();

            const string Alert = """{"labels":{"alertname":"Down","job":"api"},"annotations":{"summary":"it is down"},"state":"firing","activeAt":"2023-11-14T22:13:20Z","value":"0e+00"}""";
            Assert.Equal($$"""{"alerts":[{{Alert}}]}""", (await client.GetAsync("alerts")).GetProperty("data").GetRawText());
            var group = Assert.Single((await client.GetAsync("rules")).GetProperty("data").GetProperty("groups").EnumerateArray());
            Assert.Equal(("g", "p.yaml", 30), (group.GetProperty("name").GetString(), group.GetProperty("file").GetString(), group.GetProperty("interval").GetDouble()));
            Assert.Equal(["alerting", "recording"], group.GetProperty("rules").EnumerateArray().Select(r => r.GetProperty("type").GetString()));
            Assert.Equal(
                $$"""{"state":"firing","name":"Down","query":"up == 0","duration":60,"keepFiringFor":0,"labels":{"severity":"P1"},"annotations":{},"alerts":[{{Alert}}],"health":"ok","evaluationTime":0,"lastEvaluation":"2023-11-14T22:13:20Z","type":"alerting"}""",
                group.GetProperty("rules")[0].GetRawText());
            Assert.Equal("[]", (await client.GetAsync("rules?type=alert&exclude_alerts=true")).GetProperty("data").GetProperty("groups")[0].GetProperty("rules")[0].GetProperty("alerts").GetRawText());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task RulesAndAlerts_AlertingAway_AreEmptyWithAWarning()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("services:alerting:grpc:0", "http://127.0.0.1:1")]);
        using var client = new PrometheusClient(host);
        var answer = await client.GetAsync("alerts");
        Assert.Equal("""{"alerts":[]}""", answer.GetProperty("data").GetRawText());
        Assert.StartsWith("alerts are missing: Alerting cannot be asked", answer.GetProperty("warnings")[0].GetString());
        Assert.Equal(1, (await client.GetAsync("rules")).GetProperty("warnings").GetArrayLength());
        Assert.False((await client.GetAsync("rules?type=record")).TryGetProperty("warnings", out _));
    }

    private static async Task<WebApplication> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        var app = builder.Build();
        app.MapGrpcService<SomeAlerts>();
        app.MapGrpcService<SomePolicies>();
        await app.StartAsync().DefaultTimeout();
        return app;
    }

    private sealed class SomeAlerts : Alerts.AlertsBase
    {
        public override Task<ListAlertsResponse> ListAlerts(ListAlertsRequest request, ServerCallContext context) => Task.FromResult(new ListAlertsResponse
        {
            Alerts =
            {
                new Alert
                {
                    Policy = "p.yaml:g/Down", Status = AlertStatus.Firing, Labels = { { "alertname", "Down" }, { "job", "api" } }, Annotations = { { "summary", "it is down" } },
                    Value = 0, ActiveAtUnixMs = Active,
                },
            },
        });
    }

    private sealed class SomePolicies : Policies.PoliciesBase
    {
        public override Task<ListPoliciesResponse> ListPolicies(ListPoliciesRequest request, ServerCallContext context) => Task.FromResult(new ListPoliciesResponse
        {
            Policies =
            {
                new Policy
                {
                    Key = "p.yaml:g/Down", File = "p.yaml", Group = "g", Alert = "Down", Line = 5, Expr = "up==0", ForMs = 60_000, Labels = { { "severity", "P1" } },
                    Status = AlertStatus.Firing, Sight = Sight.Clear, LastEvaluationUnixMs = Active,
                },
            },
        });
    }
}
