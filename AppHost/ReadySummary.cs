using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Hosting;

namespace Vigil.AppHost;

/// <summary>What the summary names.</summary>
internal sealed record SummaryFacts(ProjectResource Metrics, ProjectResource Alerting, string TokensPath, CommandLine Options);

/// <summary>Says, once everything is ready, where it is and what to try.</summary>
internal sealed class ReadySummary(SummaryFacts facts, ResourceNotificationService notifications, TimeProvider clock) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var start = clock.GetTimestamp();
        try
        {
            await notifications.WaitForResourceHealthyAsync(facts.Metrics.Name, stoppingToken).ConfigureAwait(false);
            await notifications.WaitForResourceHealthyAsync(facts.Alerting.Name, stoppingToken).ConfigureAwait(false);
            if (!facts.Options.NoAgent) await notifications.WaitForResourceHealthyAsync("agent", stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            return;
        }
        var metrics = new EndpointReference(facts.Metrics, "http").Url;
        var alerting = new EndpointReference(facts.Alerting, "http").Url;
        Console.WriteLine($"""

            Vigil is ready, {clock.GetElapsedTime(start).TotalSeconds:0.0} s after its services were started.
              metrics   {metrics}   gRPC {new EndpointReference(facts.Metrics, "grpc").Url}
              alerting  {alerting}   gRPC {new EndpointReference(facts.Alerting, "grpc").Url}
              tokens    {facts.TokensPath}   (one for each scope; only you can read it; reading from this machine needs none)

            Try, in another terminal:
              curl -s '{metrics}/api/v1/query?query=up'
              curl -s {alerting}/api/v2/alerts
              dotnet run --project clients/Vigil.Cli -- status
            {(facts.Options.Demo ? "\nThe demo shop breaks in a moment: watch the lines that begin with \"story\".\n" : "")}
            """);
    }
}
