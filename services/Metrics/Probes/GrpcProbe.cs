using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Vigil.Metrics.Scrape;

namespace Vigil.Metrics.Probes;

/// <summary>Asks gRPC's health service.</summary>
internal static class GrpcProbe
{
    public static async Task RunAsync(ScrapeTarget target, ProbeSettings settings, List<ProbeSample> found, TimeProvider clock, CancellationToken ct)
    {
        var watch = new CertificateWatch(target.Job.Tls, clock);
        using var handler = new SocketsHttpHandler { UseProxy = false };
        if (settings.UseTls) handler.SslOptions = watch.Options(null);
        using var channel = GrpcChannel.ForAddress($"{(settings.UseTls ? "https" : "http")}://{target.Address}", new GrpcChannelOptions { HttpHandler = handler });
        try
        {
            var answer = await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest { Service = settings.GrpcService }, cancellationToken: ct).ConfigureAwait(false);
            found.Add(new ProbeSample("probe_grpc_status_code", (int)StatusCode.OK));
            foreach (var state in Enum.GetValues<HealthCheckResponse.Types.ServingStatus>())
                found.Add(new ProbeSample("probe_grpc_healthcheck_response", answer.Status == state ? 1 : 0, $"serving_status=\"{Name(state)}\""));
            if (answer.Status != HealthCheckResponse.Types.ServingStatus.Serving) throw new ProbeException($"the health service answers {Name(answer.Status)}");
        }
        catch (RpcException e)
        {
            found.Add(new ProbeSample("probe_grpc_status_code", (int)e.StatusCode));
            throw new ProbeException($"{e.StatusCode}: {e.Status.Detail}");
        }
        finally
        {
            watch.Report(found);
        }
    }

    private static string Name(HealthCheckResponse.Types.ServingStatus state) => state switch
    {
        HealthCheckResponse.Types.ServingStatus.Serving => "SERVING",
        HealthCheckResponse.Types.ServingStatus.NotServing => "NOT_SERVING",
        HealthCheckResponse.Types.ServingStatus.ServiceUnknown => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    };
}
