using Grpc.Core;
using Vigil.Alerting.Grains;
using Vigil.Alerting.V1;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting.Api;

/// <summary>vigil.alerting.v1.Alerts.</summary>
[RequireScope(Scope.Read)]
internal sealed class AlertsApi(PolicyReader reader, IGrainFactory grains, IHostApplicationLifetime lifetime) : Alerts.AlertsBase
{
    /// <summary>Well below the time after which a call to a grain is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public override async Task<ListAlertsResponse> ListAlerts(ListAlertsRequest request, ServerCallContext context)
    {
        var response = new ListAlertsResponse();
        IReadOnlyList<PolicyReading> policies;
        if (request.Policy.Length == 0) policies = await reader.ReadAllAsync(context.CancellationToken).ConfigureAwait(false);
        else policies = [await reader.ReadAsync(request.Policy).ConfigureAwait(false) ?? throw Refusal.NotFound($"policy '{request.Policy}'").ToException()];
        foreach (var reading in policies)
        {
            var alerts = (reading.Snapshot?.Alerts ?? []).Select(a => a.ToProto(reading.Policy, reading.Sight));
            response.Alerts.AddRange(alerts.Where(a => request.Statuses.Count == 0 || request.Statuses.Contains(a.Status)).OrderBy(a => a.Fingerprint, StringComparer.Ordinal));
        }
        return response;
    }

    public override async Task WatchAlerts(WatchAlertsRequest request, IServerStreamWriter<AlertTransition> responseStream, ServerCallContext context)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var feed = request.Feed;
        var after = request.OnlyNew ? -1 : (long)Math.Min(request.AfterSequence, long.MaxValue);
        var source = grains.GetGrain<IAlertFeedGrain>(IAlertFeedGrain.Key);
        if (request.OnlyNew)
        {
            // The answer's headers tell the caller that from here on nothing is missed.
            var now = await source.Next("", -1, TimeSpan.Zero).ConfigureAwait(false);
            (feed, after) = (now.Feed, now.First - 1);
        }
        await context.WriteResponseHeadersAsync([]).ConfigureAwait(false);
        while (!over.IsCancellationRequested)
        {
            FeedPage page;
            try
            {
                page = await source.Next(feed, after, Patience).WaitAsync(over.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            feed = page.Feed;
            after = page.First - 1;
            foreach (var change in page.Changes) await responseStream.WriteAsync(change.ToProto(feed, ++after), context.CancellationToken).ConfigureAwait(false);
        }
    }
}
