using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

/// <summary>What others send by OTLP: OpenTelemetry's SDK for JavaScript, and the one for .NET.</summary>
public sealed class OtlpSenderTests
{
    [TheoryNeedsSenders]
    [InlineData("json", "cumulative", "gzip")]
    [InlineData("json", "delta", "none")]
    [InlineData("protobuf", "cumulative", "none")]
    [InlineData("protobuf", "delta", "gzip")]
    [InlineData("grpc", "cumulative", "none")]
    [InlineData("grpc", "delta", "gzip")]
    public async Task JavaScript_ExportsEverything_AndItIsFound(string protocol, string temporality, string compression)
    {
        await using var host = await MetricsHost.StartAsync();
        var url = protocol == "grpc" ? host.Channel.Target : new Uri(host.HttpAddress, "/v1/metrics").ToString();
        if (protocol == "grpc") url = $"http://{url}";
        await Senders.RunAsync("otlp.js", protocol, temporality, url, MetricsHost.Token, compression);
        await CheckAsync(host, "instance=\"js-1\",otel_scope_name=\"lib\",otel_scope_version=\"1.2\"");
        Assert.Equal(36.6, await host.ValueAsync("temperature_celsius{sensor_name=\"a\"}"));
    }

    [Theory]
    [InlineData(OtlpExportProtocol.Grpc, MetricReaderTemporalityPreference.Cumulative)]
    [InlineData(OtlpExportProtocol.Grpc, MetricReaderTemporalityPreference.Delta)]
    [InlineData(OtlpExportProtocol.HttpProtobuf, MetricReaderTemporalityPreference.Cumulative)]
    [InlineData(OtlpExportProtocol.HttpProtobuf, MetricReaderTemporalityPreference.Delta)]
    public async Task DotNet_ExportsEverything_AndItIsFound(OtlpExportProtocol protocol, MetricReaderTemporalityPreference temporality)
    {
        await using var host = await MetricsHost.StartAsync();
        // Listeners hear of every meter in the process.
        using var meter = new Meter($"lib.{Guid.NewGuid():n}", "1.2");
        using (var provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(meter.Name)
            .ConfigureResource(r => r.Clear().AddAttributes([new("service.name", "cart"), new("service.namespace", "shop"), new("service.instance.id", "net-1"), new("host.name", "h1")]))
            .AddView("size", new ExplicitBucketHistogramConfiguration { Boundaries = [10, 100] })
            .AddView("wait", new Base2ExponentialBucketHistogramConfiguration())
            .AddOtlpExporter((exporter, reader) =>
            {
                exporter.Protocol = protocol;
                exporter.Endpoint = protocol == OtlpExportProtocol.Grpc ? new Uri($"http://{host.Channel.Target}") : new Uri(host.HttpAddress, "/v1/metrics");
                exporter.Headers = $"authorization=Bearer {MetricsHost.Token}";
                reader.TemporalityPreference = temporality;
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = 3_600_000;
            })
            .Build())
        {
            var hits = meter.CreateCounter<long>("hits", "{request}", "Requests served.");
            var open = meter.CreateUpDownCounter<long>("open.connections");
            var size = meter.CreateHistogram<double>("size", "By");
            var wait = meter.CreateHistogram<double>("wait", "s");
            for (var round = 0; round < 2; round++)
            {
                hits.Add(3, new KeyValuePair<string, object?>("route", "/a"));
                open.Add(round == 0 ? 5 : -2);
                size.Record(7);
                size.Record(70);
                wait.Record(1.5);
                wait.Record(3);
                Assert.True(provider.ForceFlush(30_000));
            }
        }
        await CheckAsync(host, $"instance=\"net-1\",otel_scope_name=\"{meter.Name}\",otel_scope_version=\"1.2\"");
    }

    private static async Task CheckAsync(MetricsHost host, string scope)
    {
        // Deltas are summed up here, so that both are the same.
        Assert.Equal(6, await host.ValueAsync($"hits_total{{job=\"shop/cart\",route=\"/a\",{scope}}}"));
        Assert.Equal(3, await host.ValueAsync($"open_connections{{{scope}}}"));
        Assert.Equal(2, await host.ValueAsync("size_bytes_bucket{le=\"10\"}"));
        Assert.Equal(4, await host.ValueAsync("size_bytes_bucket{le=\"100\"}"));
        Assert.Equal(4, await host.ValueAsync("size_bytes_bucket{le=\"+Inf\"}"));
        Assert.Equal(154, await host.ValueAsync("size_bytes_sum"));
        Assert.Equal(4, await host.ValueAsync("histogram_count(wait_seconds)"));
        Assert.Equal(9, await host.ValueAsync("histogram_sum(wait_seconds)"));
        Assert.InRange(await host.ValueAsync("histogram_quantile(0.25, wait_seconds)"), 1.4, 1.6);
        Assert.InRange(await host.ValueAsync("histogram_quantile(1, wait_seconds)"), 3, 3.1);
        Assert.Equal(1, await host.ValueAsync("target_info{job=\"shop/cart\",host_name=\"h1\"}"));
    }
}

/// <summary>Programs of node that send to the service.</summary>
internal static class Senders
{
    private static readonly string Here = AppContext.BaseDirectory;
    private static readonly Lazy<string?> Missing = new(() => NodeModules.Install(Path.Combine(Here, "senders"), Modules));

    /// <summary>Why they cannot run here; null if they can.</summary>
    public static string? Problem => Missing.Value;

    private static string Modules => Path.Combine(Here, "senders-installed");

    public static async Task RunAsync(string script, params string[] arguments)
    {
        if (Problem is { } problem) throw new InvalidOperationException(problem);
        var start = new ProcessStartInfo(Needs.Require("node"), [Path.Combine(Here, "senders", script), .. arguments]) { RedirectStandardError = true };
        start.Environment["NODE_PATH"] = Path.Combine(Modules, "node_modules");
        // A proxy of the environment has no business between two programs on this machine.
        foreach (var variable in new[] { "http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY" }) start.Environment.Remove(variable);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().DefaultTimeout(TimeSpan.FromMinutes(2));
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        if (process.ExitCode != 0) throw new InvalidOperationException(await errors);
    }
}

/// <summary>A table that needs the programs of <see cref="Senders"/>.</summary>
internal sealed class TheoryNeedsSendersAttribute : TheoryAttribute
{
    public TheoryNeedsSendersAttribute() => Skip = Needs.RequireAll ? null : Senders.Problem;
}
