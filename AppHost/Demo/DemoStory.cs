using System.Globalization;
using System.Threading.Channels;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Vigil.Alerting.V1;
using Vigil.Metrics.V1;

namespace Vigil.AppHost.Demo;

/// <summary>Where the demo looks, and the token it reads with.</summary>
internal sealed record DemoPlaces(EndpointReference Metrics, EndpointReference Alerting, EndpointReference Shop, string ReadToken);

/// <summary>When the shop breaks first, how long it stays so at least, and how often it breaks.</summary>
internal sealed record DemoTimes(TimeSpan FirstBreak, TimeSpan BrokenFor, TimeSpan Every)
{
    private const double Day = 86_400;

    /// <summary>Seconds in the section <c>Demo</c>.</summary>
    /// <exception cref="DistributedApplicationException">One of them is out of its range.</exception>
    public static DemoTimes From(IConfiguration configuration)
    {
        return new DemoTimes(Seconds("FirstBreak", 15, 0), Seconds("BrokenFor", 20, 0), Seconds("Every", 60, 1));

        TimeSpan Seconds(string name, double byDefault, double least) => configuration[$"Demo:{name}"] is not { } text ? TimeSpan.FromSeconds(byDefault)
            : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds >= least && seconds <= Day ? TimeSpan.FromSeconds(seconds)
            : throw new DistributedApplicationException(string.Create(CultureInfo.InvariantCulture, $"Demo:{name} is '{text}': give seconds, {least} to {Day}"));
    }
}

/// <summary>
/// Breaks the shop on a timer and tells what follows: what the probe sees (from Metrics), what the policies decide (from Alerting), and
/// which pages arrive (at the receiver in this process).
/// </summary>
internal sealed class DemoStory(DemoPlaces places, DemoTimes times, PageReceiver pages, ResourceNotificationService notifications, TimeProvider clock) : BackgroundService
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan LongestWaitForThePage = TimeSpan.FromMinutes(2);

    private readonly TaskCompletionSource seesProbes = NewSignal();
    private readonly TaskCompletionSource seesTransitions = NewSignal();
    private volatile TaskCompletionSource paged = NewSignal();
    private readonly Channel<StoryStep> steps = System.Threading.Channels.Channel.CreateUnbounded<StoryStep>();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            foreach (var name in (string[])["demo-shop", "metrics", "alerting", "agent"]) await notifications.WaitForResourceHealthyAsync(name, stoppingToken).ConfigureAwait(false);
            var headers = new Metadata { { "authorization", $"Bearer {places.ReadToken}" } };
            await Task.WhenAll(
                TellAsync(stoppingToken),
                BreakAsync(stoppingToken),
                PagesAsync(stoppingToken),
                AgainAndAgainAsync(token => ProbesAsync(headers, token), Broke, clock, stoppingToken),
                AgainAndAgainAsync(token => TransitionsAsync(headers, token), Broke, clock, stoppingToken)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The system stops, and the story with it.
        }
    }

    private async Task TellAsync(CancellationToken stoppingToken)
    {
        var colour = !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        var story = new Story(Patience);
        using var timer = new PeriodicTimer(Patience / 3, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
        {
            while (steps.Reader.TryRead(out var step)) story.Add(step);
            foreach (var (line, mood) in story.Tell(clock.GetUtcNow()))
                Console.WriteLine(!colour ? line : $"{mood switch { StoryMood.Bad => "\e[1;97;41m", StoryMood.Good => "\e[1;97;42m", _ => "\e[1;97;44m" }} {line} \e[0m");
        }
    }

    private async Task BreakAsync(CancellationToken stoppingToken)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        // What happens before someone looks would be missing from the story.
        await Task.WhenAll(seesProbes.Task, seesTransitions.Task).WaitAsync(stoppingToken).ConfigureAwait(false);
        await Task.Delay(times.FirstBreak, clock, stoppingToken).ConfigureAwait(false);
        using var timer = new PeriodicTimer(times.Every, clock);
        do
        {
            try
            {
                paged = NewSignal();
                Add(clock.GetUtcNow(), $"demo-shop breaks: for {times.BrokenFor.TotalSeconds:0} s every request will be answered with 503", StoryMood.Plain, begins: true);
                using var broken = await http.PostAsync($"{places.Shop.Url}/break", null, stoppingToken).ConfigureAwait(false);
                broken.EnsureSuccessStatusCode();
                await Task.Delay(times.BrokenFor, clock, stoppingToken).ConfigureAwait(false);
                // On a machine that is busy the page may take longer than that, and a story without it would be none.
                await Task.WhenAny(paged.Task, Task.Delay(LongestWaitForThePage, clock, stoppingToken)).ConfigureAwait(false);
                using var repaired = await http.PostAsync($"{places.Shop.Url}/repair", null, stoppingToken).ConfigureAwait(false);
                repaired.EnsureSuccessStatusCode();
                Add(clock.GetUtcNow(), "demo-shop is repaired", StoryMood.Plain);
            }
            catch (Exception e) when (e is HttpRequestException || e is TaskCanceledException && !stoppingToken.IsCancellationRequested)
            {
                // Someone killed the shop: a fine story as well, and it comes back by itself.
                Add(clock.GetUtcNow(), $"demo-shop does not answer at all: {e.Message}", StoryMood.Bad);
            }
        } while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }

    private async Task PagesAsync(CancellationToken stoppingToken)
    {
        await foreach (var page in pages.ReadAllAsync(stoppingToken).ConfigureAwait(false))
        {
            if (!page.Alertname.StartsWith("DemoShop", StringComparison.Ordinal)) continue;
            Add(page.At, $"page arrives at the pager: {page.Severity} {page.Alertname} {page.Status}{(page.Summary.Length > 0 ? $": {page.Summary}" : "")}", page.Status == "firing" ? StoryMood.Bad : StoryMood.Good);
            if (page is { Alertname: "DemoShopDown", Status: "firing" }) paged.TrySetResult();
        }
    }

    private async Task ProbesAsync(Metadata headers, CancellationToken stoppingToken)
    {
        using var channel = GrpcChannel.ForAddress(places.Metrics.Url);
        using var watch = new MetricsQuery.MetricsQueryClient(channel).Watch(headers, cancellationToken: stoppingToken);
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = "probe", Expr = "probe_success{job=\"demo-shop\"}" } }, stoppingToken).ConfigureAwait(false);
        double? before = null;
        await foreach (var change in watch.ResponseStream.ReadAllAsync(stoppingToken).ConfigureAwait(false))
        {
            if (change.OutcomeCase != WatchEvent.OutcomeOneofCase.Vector || change.Vector.Samples is not [var sample]) continue;
            if (before is { } last && last != sample.Value)
                Add(At(change.CauseReceivedUnixUs), sample.Value == 0 ? "the probe fails: Metrics has accepted probe_success = 0" : "the probe succeeds again: Metrics has accepted probe_success = 1",
                    sample.Value == 0 ? StoryMood.Bad : StoryMood.Good);
            before = sample.Value;
            seesProbes.TrySetResult();
        }
    }

    private async Task TransitionsAsync(Metadata headers, CancellationToken stoppingToken)
    {
        using var channel = GrpcChannel.ForAddress(places.Alerting.Url);
        using var watch = new Alerts.AlertsClient(channel).WatchAlerts(new WatchAlertsRequest { OnlyNew = true }, headers, cancellationToken: stoppingToken);
        await watch.ResponseHeadersAsync.ConfigureAwait(false);
        seesTransitions.TrySetResult();
        await foreach (var change in watch.ResponseStream.ReadAllAsync(stoppingToken).ConfigureAwait(false))
        {
            if (change.ChangeCase != AlertTransition.ChangeOneofCase.Alert || change.Alert.Alert is not { } alert) continue;
            var name = alert.Labels.GetValueOrDefault("alertname") ?? change.Policy;
            if (!name.StartsWith("DemoShop", StringComparison.Ordinal)) continue;
            var status = change.Alert.To.ToString().ToLowerInvariant();
            var cause = change.CauseReceivedUnixUs > 0
                ? string.Create(CultureInfo.InvariantCulture, $" ({(change.AtUnixUs - change.CauseReceivedUnixUs) / 1000.0:0.0} ms after the sample came)")
                : "";
            Add(At(change.AtUnixUs), $"{alert.Response?.Severity} {name} is {status}{cause}: {change.Reason}", change.Alert.To == AlertStatus.Firing ? StoryMood.Bad : change.Alert.To == AlertStatus.Resolved ? StoryMood.Good : StoryMood.Plain);
        }
    }

    /// <summary>A stream breaks when its service is restarted; the story goes on when that is back.</summary>
    internal static async Task AgainAndAgainAsync(Func<CancellationToken, Task> follow, Action<Status> broke, TimeProvider clock, CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await follow(stoppingToken).ConfigureAwait(false);
            }
            catch (RpcException e)
            {
                // When the story itself ends, its streams are cancelled; the wait below then ends it.
                if (e.StatusCode is not (StatusCode.Unavailable or StatusCode.Cancelled)) broke(e.Status);
            }
            await Task.Delay(TimeSpan.FromSeconds(1), clock, stoppingToken).ConfigureAwait(false);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Broke(Status status) => Add(clock.GetUtcNow(), $"the story's stream broke: {status.Detail}", StoryMood.Plain);

    private void Add(DateTimeOffset at, string text, StoryMood mood, bool begins = false) => steps.Writer.TryWrite(new StoryStep(at, text, mood, begins));

    private DateTimeOffset At(long unixMicroseconds) => unixMicroseconds > 0 ? DateTimeOffset.UnixEpoch.AddMicroseconds(unixMicroseconds) : clock.GetUtcNow();
}
