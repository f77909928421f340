using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry.Proto.Collector.Metrics.V1;

namespace Vigil.ServiceDefaults;

/// <summary>Sends this service's own metrics to our Metrics service, so that Vigil watches itself. Failing at it harms nothing else.</summary>
internal sealed partial class SelfMetricsSender : BackgroundService
{
    private readonly MetricCollector collector;
    private readonly ServiceIdentity identity;
    private readonly IServiceDirectory directory;
    private readonly TimeProvider clock;
    private readonly ILogger<SelfMetricsSender> log;
    private readonly TimeSpan interval;
    private readonly string? token;
    private readonly Counter<long> failures;
    private readonly DateTimeOffset startedAt;
    private readonly ChannelOptions channels;
    private bool failing;

    // ProcessMetrics is asked for so that it is there, and so the collector sees everything from the start on.
    public SelfMetricsSender(MetricCollector collector, ProcessMetrics process, ServiceIdentity identity, IServiceDirectory directory,
        IOptions<TelemetryOptions> telemetry, IOptions<AuthOptions> auth, IOptions<ChannelOptions> channels, IMeterFactory meters, TimeProvider clock, ILogger<SelfMetricsSender> log)
    {
        ArgumentNullException.ThrowIfNull(process);
        this.collector = collector;
        this.identity = identity;
        this.directory = directory;
        this.clock = clock;
        this.log = log;
        interval = telemetry.Value.SelfMetricsInterval;
        token = auth.Value.IngestToken ?? auth.Value.Token;
        this.channels = channels.Value;
        startedAt = clock.GetUtcNow();
        failures = meters.Create(ServiceDefaultsExtensions.MeterName).CreateCounter<long>("vigil.self_metrics.failures", "{request}", "Attempts to send this service's own metrics that failed, by reason.");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (interval == TimeSpan.Zero || !directory.TryFind("metrics", "grpc", out var address)) return;
        using var channel = ServiceChannels.Create(address, token, [], channels, logs: null);
        var client = new MetricsService.MetricsServiceClient(channel);
        using var timer = new PeriodicTimer(interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
                await SendAsync(client, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops; what was counted since the last tick is not worth holding it up for.
        }
    }

    private async Task SendAsync(MetricsService.MetricsServiceClient client, CancellationToken ct)
    {
        try
        {
            var request = SelfMetrics.Request(collector, identity, startedAt, clock.GetUtcNow());
            // Real time: gRPC deadlines are of the wall clock. Shorter than the interval, so that attempts never pile up.
            var response = await client.ExportAsync(request, deadline: TimeProvider.System.GetUtcNow().UtcDateTime + TimeSpan.FromSeconds(5), cancellationToken: ct).ConfigureAwait(false);
            if (response.PartialSuccess is { RejectedDataPoints: > 0 } partial) Failed("refused_samples", partial.ErrorMessage);
            else if (failing) Recovered();
        }
        catch (RpcException e) when (!ct.IsCancellationRequested)
        {
            Failed(e.StatusCode.ToString(), e.Status.Detail);
        }
    }

    private void Failed(string reason, string detail)
    {
        failures.Add(1, new KeyValuePair<string, object?>("reason", reason));
        if (failing) return;
        failing = true;
        LogFailing(reason, detail);
    }

    private void Recovered()
    {
        failing = false;
        LogRecovered();
    }

    [LoggerMessage(1, LogLevel.Warning, "Cannot send this service's own metrics to Metrics: {Reason} {Detail}. It goes on trying; further failures are only counted", EventName = "SelfMetricsFailing")]
    private partial void LogFailing(string reason, string detail);

    [LoggerMessage(2, LogLevel.Information, "This service's own metrics reach Metrics again", EventName = "SelfMetricsRecovered")]
    private partial void LogRecovered();
}
