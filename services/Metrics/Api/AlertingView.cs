using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Alerting.V1;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>What Alerting says of its policies and alerts.</summary>
/// <param name="Policies">In the order in which it lists them.</param>
/// <param name="Alerts">Those that are pending or firing.</param>
/// <param name="Warning">Why there is nothing; null where all is well, and where there is no Alerting.</param>
internal sealed record AlertingAnswer(IReadOnlyList<Policy> Policies, IReadOnlyList<Alert> Alerts, string? Warning)
{
    public static readonly AlertingAnswer Nothing = new([], [], null);
}

/// <summary>
/// Asks Alerting, whose alerts are: Prometheus' API has them under the server that is asked for metrics, so that is where Grafana looks. Where Alerting cannot be
/// reached there are none, with a warning that says so.
/// </summary>
internal sealed class AlertingView(IServiceDirectory directory, IServiceProvider services, TimeProvider clock)
{
    /// <summary>Whoever waits has asked us: what does not come soon is left out.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Alerts and, where they are wanted, policies.</summary>
    public async Task<AlertingAnswer> ReadAsync(bool policies, CancellationToken ct)
    {
        if (!directory.TryFind("alerting", "grpc", out _)) return AlertingAnswer.Nothing;
        var channel = services.GetRequiredKeyedService<GrpcChannel>("alerting");
        var deadline = clock.GetUtcNow().UtcDateTime + Patience;
        try
        {
            var alerts = new Alerts.AlertsClient(channel).ListAlertsAsync(new ListAlertsRequest { Statuses = { AlertStatus.Pending, AlertStatus.Firing } }, deadline: deadline, cancellationToken: ct).ResponseAsync;
            var listed = policies
                ? await new Policies.PoliciesClient(channel).ListPoliciesAsync(new ListPoliciesRequest(), deadline: deadline, cancellationToken: ct).ResponseAsync.ConfigureAwait(false)
                : new ListPoliciesResponse();
            return new AlertingAnswer(listed.Policies, (await alerts.ConfigureAwait(false)).Alerts, null);
        }
        catch (RpcException e) when (!ct.IsCancellationRequested)
        {
            return AlertingAnswer.Nothing with { Warning = $"alerts are missing: Alerting cannot be asked ({e.StatusCode})" };
        }
    }
}
