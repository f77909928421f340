using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class OpenTelemetryTests
{
    [Fact]
    public async Task Otlp_EndpointSet_TracesMetricsAndLogsArriveThere()
    {
        var seen = Channel.CreateUnbounded<(string Path, string Body, string Header)>();
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.MapPost("/v1/{signal}", async (HttpContext http) =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            seen.Writer.TryWrite((http.Request.Path, System.Text.Encoding.Latin1.GetString(body.ToArray()), http.Request.Headers["x-key"].ToString()));
        });
        await collector.StartAsync().DefaultTimeout();
        var address = collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

        var service = await TestService.StartAsync(null, app => app.MapGet("/work", (ILogger<OpenTelemetryTests> log) => { log.LogWarning("worked hard"); return "ok"; }).RequireScope(Scope.Read), new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_EXPORTER_OTLP_HEADERS"] = "x-key=abc",
        });
        await using (service)
        {
            using var client = service.Client("read-token");
            Assert.Equal("ok", await client.GetStringAsync("/work").DefaultTimeout());
            await client.GetStringAsync("/live").DefaultTimeout();
        }

        var traces = "";
        var wanted = new HashSet<string> { "/v1/traces", "/v1/metrics", "/v1/logs" };
        while (wanted.Count > 0)
        {
            var (path, body, header) = await seen.Reader.ReadAsync().DefaultTimeout();
            wanted.Remove(path);
            Assert.Equal("abc", header);
            Assert.Contains("vigil-probe", body);
            if (path == "/v1/traces") traces += body;
        }
        // The server's spans only: this test's own HTTP client is traced too, in the same process.
        Assert.Matches("(?s)http\\.route.{1,12}/work", traces);
        Assert.DoesNotMatch("(?s)http\\.route.{1,12}/live", traces);
    }
}
