using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace Vigil.Alerting.Notify;

/// <summary>
/// Brings pages to every channel that takes them, in three stages: drop what is on record as told, send with retry, record. A
/// crash between sending and recording repeats a page, under the same key, rather than losing it. Each channel has lanes of
/// its own, one per alert: a slow one holds up neither the others nor other alerts, and "resolved" never overtakes "firing".
/// </summary>
internal sealed partial class PageDispatcher : IAsyncDisposable
{
    /// <summary>Pages of one alert that may wait on one channel: firing and resolved, many times over.</summary>
    private const int MaxPerAlert = 100;

    private readonly Route[] routes;
    private readonly IDeliveryLog deliveries;
    private readonly IPageReports reports;
    private readonly RetryOptions retry;
    private readonly TimeProvider clock;
    private readonly AlertingMetrics metrics;
    private readonly ILogger<PageDispatcher> log;
    private readonly ConcurrentDictionary<string, Ticket> inFlight = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource stopping = new();

    public PageDispatcher(IEnumerable<IChannel> channels, IDeliveryLog deliveries, IPageReports reports, IOptions<NotifyOptions> options,
        TimeProvider clock, AlertingMetrics metrics, ILogger<PageDispatcher> log)
    {
        this.deliveries = deliveries;
        this.reports = reports;
        this.clock = clock;
        this.metrics = metrics;
        this.log = log;
        retry = options.Value.Retry;
        routes = [.. channels.Select(c => new Route(c, new SemaphoreSlim(options.Value.MaxConcurrent),
            new Lanes<Errand>(RunAsync, Failed, MaxPerAlert, options.Value.MaxWaiting)))];
    }

    public IReadOnlyList<IChannel> Channels => [.. routes.Select(r => r.Channel)];

    /// <summary>Pages that wait for a channel.</summary>
    public int WaitingFor(string channel) => routes.FirstOrDefault(r => r.Channel.Name == channel)?.Lanes.Waiting ?? 0;

    /// <summary>
    /// Takes a page that is safely stored. Taking it again while it is under way does nothing. A page for which a channel has no
    /// room is not settled: its owner offers it again.
    /// </summary>
    public void Offer(Page page)
    {
        var takers = Array.FindAll(routes, r => DispatchMath.Takes(r.Channel, page.Response.Severity));
        var ticket = new Ticket(page, takers.Length);
        if (!inFlight.TryAdd(page.IdempotencyKey, ticket)) return;
        if (takers.Length == 0)
        {
            LogNoChannel(page.Alertname, page.Response.Severity);
            metrics.PageWithoutChannel();
            _ = SettleAsync(ticket);
            return;
        }
        foreach (var route in takers)
        {
            if (route.Lanes.TryAdd($"{page.Policy}\0{page.Fingerprint}", new Errand(route, ticket))) continue;
            metrics.PageDeferred(route.Channel.Name);
            LogFull(route.Channel.Name, page.Alertname);
            ticket.MustReturn = true;
            if (ticket.Done()) inFlight.TryRemove(page.IdempotencyKey, out _);
        }
    }

    /// <summary>One attempt on one channel, outside of all bookkeeping.</summary>
    public async Task<SendResult?> TryOutAsync(string channel, Page page, CancellationToken ct) =>
        Array.Find(routes, r => r.Channel.Name == channel) is { } route ? await route.Channel.SendAsync(page, ct).ConfigureAwait(false) : null;

    /// <summary>Sends a page that was given up once more.</summary>
    public bool Revive(string channel, Page page)
    {
        if (Array.Find(routes, r => r.Channel.Name == channel) is not { } route) return false;
        // Its age counts from now, or it would be given up again after one attempt.
        var ticket = new Ticket(page with { DecidedAt = clock.GetUtcNow(), CauseReceivedUnixUs = 0 }, 1) { MustReturn = true };
        return route.Lanes.TryAdd($"{page.Policy}\0{page.Fingerprint}", new Errand(route, ticket, IsRevival: true));
    }

    // Not disposed of: what is under way still asks for its token, and it holds no timer.
    public async ValueTask DisposeAsync() => await stopping.CancelAsync().ConfigureAwait(false);

    private async Task RunAsync(Errand errand)
    {
        if (stopping.IsCancellationRequested) return;
        var (route, ticket, _) = errand;
        try
        {
            if (errand.IsRevival || !await WasSettledAsync(route.Channel, ticket.Page).ConfigureAwait(false))
                await SendAsync(route, ticket.Page).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stays in its policy's outbox, and is sent after the next start.
            return;
        }
        if (ticket.Done()) await SettleAsync(ticket).ConfigureAwait(false);
    }

    private async Task<bool> WasSettledAsync(IChannel channel, Page page)
    {
        try
        {
            return await deliveries.IsSettledAsync(page.IdempotencyKey, channel.Name, stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Told twice, under the same key, is better than not told.
            LogRecordFailed(e, channel.Name, page.Alertname);
            return false;
        }
    }

    private async Task SendAsync(Route route, Page page)
    {
        for (var attempt = 1; ; attempt++)
        {
            SendResult result;
            await route.Sending.WaitAsync(stopping.Token).ConfigureAwait(false);
            try
            {
                result = await route.Channel.SendAsync(page, stopping.Token).ConfigureAwait(false);
            }
            finally
            {
                route.Sending.Release();
            }
            var now = clock.GetUtcNow();
            var latency = DispatchMath.Latency(page, now);
            if (result.Delivered)
            {
                metrics.PageSent(route.Channel.Name, page.Status, latency);
                if (page.CauseReceivedUnixUs > 0) LogSent(page.Status, page.Alertname, route.Channel.Name, attempt, latency.TotalMilliseconds);
                else LogSentOnTime(page.Status, page.Alertname, route.Channel.Name, attempt);
                await RecordAsync(new Delivery(page, route.Channel.Name, now, attempt, true, "", latency)).ConfigureAwait(false);
                return;
            }
            if (DispatchMath.NextDelay(result, attempt, now - page.DecidedAt, retry, Random.Shared.NextDouble()) is not { } delay)
            {
                metrics.PageGivenUp(route.Channel.Name, result.Reason);
                LogGivenUp(page.Status, page.Alertname, page.IdempotencyKey, route.Channel.Name, attempt, result.Detail);
                await RecordAsync(new Delivery(page, route.Channel.Name, now, attempt, false, result.Detail, latency)).ConfigureAwait(false);
                return;
            }
            metrics.PageRetried(route.Channel.Name, result.Reason);
            LogRetry(page.Alertname, route.Channel.Name, attempt, result.Detail, delay.TotalSeconds);
            await Task.Delay(delay, clock, stopping.Token).ConfigureAwait(false);
        }
    }

    private async Task RecordAsync(Delivery delivery)
    {
        try
        {
            // Also while stopping: it was told, and would be told again after the next start.
            await deliveries.RecordAsync(delivery, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogRecordFailed(e, delivery.Channel, delivery.Page.Alertname);
        }
        reports.Reported(delivery);
    }

    private async Task SettleAsync(Ticket ticket)
    {
        try
        {
            if (!ticket.MustReturn) await reports.SettledAsync(ticket.Page).ConfigureAwait(false);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // It stays in the outbox and is offered again; the record says that it was told.
            LogSettleFailed(e, ticket.Page.Alertname);
        }
        finally
        {
            inFlight.TryRemove(new(ticket.Page.IdempotencyKey, ticket));
        }
    }

    private void Failed(Errand errand, Exception e)
    {
        LogFailed(e, errand.Route.Channel.Name, errand.Ticket.Page.Alertname);
        errand.Ticket.MustReturn = true;
        if (errand.Ticket.Done()) inFlight.TryRemove(new(errand.Ticket.Page.IdempotencyKey, errand.Ticket));
    }

    private sealed record Route(IChannel Channel, SemaphoreSlim Sending, Lanes<Errand> Lanes);

    private sealed record Errand(Route Route, Ticket Ticket, bool IsRevival = false);

    /// <summary>A page on its way to several channels.</summary>
    private sealed class Ticket(Page page, int channels)
    {
        private int left = channels;

        public Page Page => page;

        /// <summary>A channel had no room, or failed in a way it should not: the page must be offered again.</summary>
        public volatile bool MustReturn;

        /// <summary>True for the last channel.</summary>
        public bool Done() => Interlocked.Decrement(ref left) == 0;
    }

    [LoggerMessage(1, LogLevel.Information, "Told {Status} {Alert} to {Channel}, attempt {Attempt}, {LatencyMs:0.0} ms after its cause")]
    private partial void LogSent(string status, string alert, string channel, int attempt, double latencyMs);

    // Time caused it, not a sample: there is nothing to measure from.
    [LoggerMessage(9, LogLevel.Information, "Told {Status} {Alert} to {Channel}, attempt {Attempt}")]
    private partial void LogSentOnTime(string status, string alert, string channel, int attempt);

    [LoggerMessage(2, LogLevel.Warning, "Could not tell {Alert} to {Channel}, attempt {Attempt}: {Detail}; again in {Seconds:0.0} s")]
    private partial void LogRetry(string alert, string channel, int attempt, string detail, double seconds);

    [LoggerMessage(3, LogLevel.Critical, "GIVEN UP telling {Status} {Alert} (key {Key}) to {Channel} after {Attempts} attempts: {Detail}. It is kept as a dead letter")]
    private partial void LogGivenUp(string status, string alert, string key, string channel, int attempts, string detail);

    [LoggerMessage(4, LogLevel.Error, "The delivery log cannot be used for {Channel}, {Alert}: a repeat of this page is possible")]
    private partial void LogRecordFailed(Exception e, string channel, string alert);

    [LoggerMessage(5, LogLevel.Error, "{Alert} was told, but its policy could not be informed; it will be offered again")]
    private partial void LogSettleFailed(Exception e, string alert);

    [LoggerMessage(6, LogLevel.Warning, "No channel takes {Alert} of severity {Severity}: nobody is told")]
    private partial void LogNoChannel(string alert, string severity);

    [LoggerMessage(7, LogLevel.Error, "{Channel} has no room for {Alert}; it will be offered again")]
    private partial void LogFull(string channel, string alert);

    [LoggerMessage(8, LogLevel.Error, "{Channel} failed on {Alert} in a way it must not; it will be offered again")]
    private partial void LogFailed(Exception e, string channel, string alert);
}
