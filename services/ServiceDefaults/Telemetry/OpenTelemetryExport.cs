using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Vigil.ServiceDefaults;

/// <summary>Sends traces, metrics and logs by OTLP to where OTEL_EXPORTER_OTLP_ENDPOINT says; does nothing when it is not set.</summary>
internal sealed class OpenTelemetryExport(ServiceIdentity identity, IConfiguration configuration) : IHostedService, IDisposable
{
    private const string EndpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Whose activities are traced: inbound and outbound calls of the framework, grains, the database, ourselves.</summary>
    private static readonly string[] Sources =
        ["Microsoft.AspNetCore", "System.Net.Http", "Grpc.*", "Microsoft.Orleans.*", "Npgsql", "Vigil.*"];

    private static readonly string[] Meters =
        ["Microsoft.AspNetCore.*", "System.Net.Http", "System.Net.NameResolution", "System.Runtime", "Grpc.*", "Microsoft.Orleans*", "Npgsql", "Vigil.*"];

    private TracerProvider? traces;
    private MeterProvider? metrics;

    public static void Add(WebApplicationBuilder builder, ServiceIdentity identity)
    {
        if (builder.Configuration[EndpointKey] is not { Length: > 0 }) return;
        var configuration = builder.Configuration;
        builder.Services.AddHostedService<OpenTelemetryExport>();
        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.SetResourceBuilder(Resource(identity));
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
            logging.ParseStateValues = true;
            logging.AddOtlpExporter(exporter => Configure(exporter, configuration, "logs"));
        });
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(Resource(identity))
            .AddSource(Sources)
            .AddProcessor(new HealthProbeFilter())
            .AddOtlpExporter(exporter => Configure(exporter, configuration, "traces"))
            .Build();
        metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(Resource(identity))
            .AddMeter(Meters)
            .AddOtlpExporter(exporter => Configure(exporter, configuration, "metrics"))
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        // Bounded: a collector that does not answer must not hold up the stop.
        traces?.ForceFlush(2000);
        metrics?.ForceFlush(2000);
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        traces?.Dispose();
        metrics?.Dispose();
    }

    private static ResourceBuilder Resource(ServiceIdentity identity) =>
        ResourceBuilder.CreateDefault()
            .AddService(identity.TelemetryName, serviceNamespace: "vigil", serviceVersion: identity.Version, serviceInstanceId: $"{Environment.MachineName}-{Environment.ProcessId}")
            // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what we say of ourselves.
            .AddEnvironmentVariableDetector();

    private static void Configure(OtlpExporterOptions exporter, IConfiguration configuration, string signal)
    {
        var text = configuration[EndpointKey];
        if (!Uri.TryCreate(text, UriKind.Absolute, out var endpoint)) throw new InvalidOperationException(OptionBinding.Message(EndpointKey, text, "a URL, e.g. http://localhost:4317"));
        var http = configuration["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf";
        exporter.Protocol = http ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        exporter.Endpoint = http ? new Uri(endpoint.ToString().TrimEnd('/') + "/v1/" + signal) : endpoint;
        if (configuration["OTEL_EXPORTER_OTLP_HEADERS"] is { Length: > 0 } headers) exporter.Headers = headers;
    }

    /// <summary>Drops the traces of successful health probes: they come every few seconds and say nothing.</summary>
    private sealed class HealthProbeFilter : BaseProcessor<Activity>
    {
        public override void OnEnd(Activity data)
        {
            if (data.Source.Name == "Microsoft.AspNetCore" && data.Status != ActivityStatusCode.Error
                && data.GetTagItem("url.path") is "/live" or "/ready" or "/health" or "/metrics" or "/grpc.health.v1.Health/Check")
            {
                data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
            }
        }
    }
}
