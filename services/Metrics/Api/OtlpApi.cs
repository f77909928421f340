using Grpc.Core;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>The way in for OpenTelemetry: OTLP/gRPC.</summary>
[RequireScope(Scope.Ingest)]
internal sealed class OtlpApi(OtlpIntake intake) : MetricsService.MetricsServiceBase
{
    public override Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context) => intake.TakeAsync(request);
}
