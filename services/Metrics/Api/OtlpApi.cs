using Grpc.Core;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Vigil.Metrics.Grains;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>The way in for OpenTelemetry: OTLP/gRPC.</summary>
[RequireScope(Scope.Ingest)]
internal sealed class OtlpApi(OtlpIntake intake, MetricsInstruments instruments) : MetricsService.MetricsServiceBase
{
    public override async Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context)
    {
        try
        {
            return await intake.TakeAsync(request).ConfigureAwait(false);
        }
        catch (RefusalException e)
        {
            instruments.RefuseRequest(Door.Otlp, RefusalStatus.Reason(e.Refusal.Kind));
            throw;
        }
    }
}
