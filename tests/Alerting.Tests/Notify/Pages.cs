using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Tests.Notify;

/// <summary>Pages to test with.</summary>
internal static class Pages
{
    public static readonly DateTimeOffset Start = new(2026, 1, 5, 12, 0, 0, TimeSpan.Zero);

    public static Page Page(string id = "x", bool firing = true, string severity = "P1")
    {
        var labels = AlertLabels.From([new("alertname", "ServiceDown"), new("instance", id), new("severity", severity)]);
        var alert = new Alert(labels, labels, firing ? AlertStatus.Firing : AlertStatus.Resolved, 0, Start, Start, firing ? null : Start.AddSeconds(60));
        return Vigil.Alerting.Notify.Page.Of(Policy(severity), new Transition(AlertStatus.Pending, alert, firing ? Start : Start.AddSeconds(60), "because", 0), "http://vigil:9093")!;
    }

    public static PolicyDefinition Policy(string severity = "P1") => new()
    {
        Key = "capsight.yaml:api/ServiceDown",
        File = "capsight.yaml",
        Group = "api",
        Alert = "ServiceDown",
        Expr = "up == 0",
        Labels = new Dictionary<string, string> { ["severity"] = severity },
        Annotations = new Dictionary<string, string> { ["summary"] = "{{ $labels.instance }} is down" },
        Response = new ResponsePlan(severity, 1, TimeSpan.FromMinutes(15), ["CEO", "CTO"], ["Status page update"], "Restart it", "", "A1"),
    };

    public static AlertingMetrics Metrics() => new(new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>());
}
