using System.Collections.Concurrent;
using Microsoft.Extensions.Options;

namespace Vigil.Alerting.Notify;

/// <summary>
/// Brings pages to every channel that takes them, in three stages: drop what is on record as told, send with retry, record. A
/// crash between sending and recording repeats a page, under the same key, rather than losing it. Each channel has lanes of
/// its own, one per alert: a slow one holds up neither the others nor other alerts, and "resolved" never overtakes "firing", also where "firing" had to
/// wait for room.
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
    /// Takes pages that are safely stored, in the order in which they were decided. With a page come all earlier ones of its alert
    /// that are not settled. Taking one again while it is under way does nothing. A page for which a channel has no room is not
    /// settled, and on that channel those of its alert behind it wait with it: their owner offers them again.
    /// </summary>
    public void Offer(params IEnumerable<Page> pages)
    {
        HashSet<(Route, string)>? full = null;
        foreach (var page in pages)
        {
            var ticket = inFlight.GetOrAdd(page.IdempotencyKey, _ => new Ticket(page, Array.FindAll(routes, r => DispatchMath.Takes(r.Channel, page.Response.Severity))));
            if (ticket.IsForNobody)
            {
                LogNoChannel(page.Alertname, page.Response.Severity);
                metrics.PageWithoutChannel();
                _ = SettleAsync(ticket);
                continue;
            }
            foreach (var route in ticket.Untaken())
            {
                if (full?.Contains((route, page.Fingerprint)) is not true)
                {
                    if (TryTake(route, ticket)) continue;
                    (full ??= []).Add((route, page.Fingerprint));
                    LogFull(route.Channel.Name, page.Alertname);
                }
                metrics.PageDeferred(route.Channel.Name);
            }
        }
    }

    /// <summary>Whether a page is under way on all of its channels, so that offering it would do nothing.</summary>
    public bool IsUnderWay(string idempotencyKey) => inFlight.TryGetValue(idempotencyKey, out var ticket) && ticket.Untaken().Count == 0;

    /// <summary>
    /// Lets go of a page that its policy keeps no longer, because it has too many. Channels that have not told it by now do not tell it
    /// any more; it is on record there as a dead letter.
    /// </summary>
    public void Withdraw(Page page, string reason)
    {
        metrics.PageDropped();
        LogWithdrawn(page.Status, page.Alertname, page.IdempotencyKey, reason);
        if (!inFlight.TryGetValue(page.IdempotencyKey, out var ticket)) return;
        // Where it waits in a lane, its turn there sees to it.
        ticket.Withdrawn = reason;
        foreach (var route in ticket.Untaken())
        {
            ticket.Take(route);
            _ = DropAsync(route, ticket);
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
        var ticket = new Ticket(page with { DecidedAt = clock.GetUtcNow(), CauseReceivedUnixUs = 0 }, [route]);
        return route.Lanes.TryAdd(LaneOf(page), new Errand(route, ticket, IsRevival: true));
    }

    // Not disposed of: what is under way still asks for its token, and it holds no timer.
    public async ValueTask DisposeAsync() => await stopping.CancelAsync().ConfigureAwait(false);

    private static string LaneOf(Page page) => $"{page.Policy}\0{page.Fingerprint}";

    private bool TryTake(Route route, Ticket ticket)
    {
        ticket.Take(route);
        if (route.Lanes.TryAdd(LaneOf(ticket.Page), new Errand(route, ticket))) return true;
        ticket.GiveBack(route);
        return false;
    }

    private async Task RunAsync(Errand errand)
    {
        if (stopping.IsCancellationRequested) return;
        var (route, ticket, _) = errand;
        try
        {
            if (errand.IsRevival || !await WasSettledAsync(route.Channel, ticket.Page).ConfigureAwait(false))
                await SendAsync(route, ticket).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stays in its policy's outbox, and is sent after the next start.
            return;
        }
        if (!errand.IsRevival) await DoneAsync(route, ticket).ConfigureAwait(false);
    }

    private async Task DropAsync(Route route, Ticket ticket)
    {
        await RecordAsync(new Delivery(ticket.Page, route.Channel.Name, clock.GetUtcNow(), 0, false, ticket.Withdrawn!, TimeSpan.Zero)).ConfigureAwait(false);
        await DoneAsync(route, ticket).ConfigureAwait(false);
    }

    private Task DoneAsync(Route route, Ticket ticket) => ticket.Done(route) ? SettleAsync(ticket) : Task.CompletedTask;

    private async Task<bool> WasSettledAsync(IChannel channel, Page page)
    {
        try
        {
            return await deliveries.IsSettledAsync(page.IdempotencyKey, channel.Name, stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // Told twice, under the same key, is better than not told.
            LogRecordFailed(e, channel.Name, page.Alertname);
            return false;
        }
    }

    private async Task SendAsync(Route route, Ticket ticket)
    {
        var page = ticket.Page;
        for (var attempt = 1; ; attempt++)
        {
            if (ticket.Withdrawn is { } reason)
            {
                await RecordAsync(new Delivery(page, route.Channel.Name, clock.GetUtcNow(), attempt - 1, false, reason, TimeSpan.Zero)).ConfigureAwait(false);
                return;
            }
            var result = await AttemptAsync(route, page).ConfigureAwait(false);
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

    private async Task<SendResult> AttemptAsync(Route route, Page page)
    {
        await route.Sending.WaitAsync(stopping.Token).ConfigureAwait(false);
        try
        {
            return await route.Channel.SendAsync(page, stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // It must not throw. Tried again here, as any other failure, it keeps its place in front of the alert's next page.
            LogFailed(e, route.Channel.Name, page.Alertname);
            return SendResult.Retry("exception", e.Message);
        }
        finally
        {
            route.Sending.Release();
        }
    }

    private async Task RecordAsync(Delivery delivery)
    {
        try
        {
            // Also while stopping: it was told, and would be told again after the next start.
            await deliveries.RecordAsync(delivery, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            LogRecordFailed(e, delivery.Channel, delivery.Page.Alertname);
        }
        reports.Reported(delivery);
    }

    private async Task SettleAsync(Ticket ticket)
    {
        try
        {
            await reports.SettledAsync(ticket.Page).ConfigureAwait(false);
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
        errand.Ticket.GiveBack(errand.Route);
    }

    private sealed record Route(IChannel Channel, SemaphoreSlim Sending, Lanes<Errand> Lanes);

    private sealed record Errand(Route Route, Ticket Ticket, bool IsRevival = false);

    /// <summary>A page on its way to several channels: those that have yet to take it, those that are at it, and those that are done.</summary>
    private sealed class Ticket(Page page, Route[] channels)
    {
        private readonly Lock gate = new();
        private readonly List<Route> untaken = [.. channels];
        private int left = channels.Length;

        public Page Page => page;

        public bool IsForNobody => channels.Length == 0;

        /// <summary>Why it is not to be told any more; null while it is.</summary>
        public volatile string? Withdrawn;

        public IReadOnlyList<Route> Untaken()
        {
            lock (gate) return [.. untaken];
        }

        public void Take(Route route)
        {
            lock (gate) untaken.Remove(route);
        }

        /// <summary>The channel had no room, or failed in a way it should not: the page must be offered again.</summary>
        public void GiveBack(Route route)
        {
            lock (gate) untaken.Add(route);
        }

        /// <summary>True for the last channel.</summary>
        public bool Done(Route route)
        {
            lock (gate)
            {
                untaken.Remove(route);
                return --left == 0;
            }
        }
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

    [LoggerMessage(8, LogLevel.Error, "{Channel} failed on {Alert} in a way it must not; it is tried again")]
    private partial void LogFailed(Exception e, string channel, string alert);

    [LoggerMessage(10, LogLevel.Critical, "DROPPED {Status} {Alert} (key {Key}): {Reason}. Channels that were not told of it keep it as a dead letter")]
    private partial void LogWithdrawn(string status, string alert, string key, string reason);
}
