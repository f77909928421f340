using Vigil.Alerting.Notify;

namespace Vigil.Alerting.Grains;

/// <summary>Brings the dispatcher's news back to the policies, and to those who watch.</summary>
internal sealed partial class GrainPageReports(IGrainFactory grains, ILogger<GrainPageReports> log) : IPageReports
{
    public void Reported(Delivery delivery) => _ = PublishAsync(delivery);

    public Task SettledAsync(Page page) => page.IsTest ? Task.CompletedTask : grains.GetGrain<IPolicyGrain>(page.Policy).Settle(page.IdempotencyKey);

    private async Task PublishAsync(Delivery delivery)
    {
        var page = delivery.Page;
        var message = new FeedMessage(page.Policy, delivery.At, delivery.Delivered ? "delivered" : delivery.Detail, page.CauseReceivedUnixUs, 0, 0, null, "",
            new DeliveryMessage(delivery.Channel, page.IdempotencyKey, page.Status, page.Alertname, delivery.Delivered, delivery.Attempts, page.Fingerprint));
        try
        {
            await grains.GetGrain<IAlertFeedGrain>(IAlertFeedGrain.Key).Publish([message]).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            LogFeedFailed(e);
        }
    }

    [LoggerMessage(30, LogLevel.Warning, "A delivery did not reach those who watch")]
    private partial void LogFeedFailed(Exception e);
}
