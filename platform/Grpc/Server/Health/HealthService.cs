using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>grpc.health.v1.Health from the application's health checks.</summary>
internal sealed class HealthService(
    HealthBoard board, HealthCheckService checks, IOptions<GrpcHealthChecksOptions> options, IOptions<HealthCheckOptions> httpOptions,
    IHostApplicationLifetime lifetime) : Grpc.Health.V1.Health.HealthBase
{
    public override async Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        var status = options.Value.UseHealthChecksCache ? board.Find(request.Service) : null;
        status ??= await RunAsync(request.Service, context.CancellationToken).ConfigureAwait(false);
        return status is { } known
            ? new HealthCheckResponse { Status = known }
            : throw new RpcException(new Status(StatusCode.NotFound, $"Service '{request.Service}' is not known."));
    }

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using var ending = options.Value.SuppressCompletionOnShutdown
            ? CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken)
            : CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        // Subscribed before the first look, so that no change falls between the two.
        var changes = board.Watch(request.Service, out var subscription);
        using (subscription)
        {
            ServingStatus? told = null;
            try
            {
                var status = await RunAsync(request.Service, ending.Token).ConfigureAwait(false) ?? ServingStatus.ServiceUnknown;
                while (true)
                {
                    if (status != told)
                    {
                        await responseStream.WriteAsync(new HealthCheckResponse { Status = status }, CancellationToken.None).ConfigureAwait(false);
                        told = status;
                    }
                    status = await changes.ReadAsync(ending.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested && !context.CancellationToken.IsCancellationRequested)
            {
                await responseStream.WriteAsync(new HealthCheckResponse { Status = ServingStatus.NotServing }, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task<ServingStatus?> RunAsync(string service, CancellationToken cancellationToken)
    {
        if (!options.Value.Services.TryGet(service, out var mapping)) return null;
        var report = await checks.CheckHealthAsync(
            check => (httpOptions.Value.Predicate?.Invoke(check) ?? true)
                && (mapping.HealthCheckPredicate?.Invoke(new HealthCheckMapContext(check.Name, check.Tags)) ?? true),
            cancellationToken).ConfigureAwait(false);
        return HealthBoard.Combine(report.Entries.Values.Select(e => e.Status));
    }
}
