using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Query;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Query;

public sealed class QueryLimitTests
{
    /// <summary>Takes minutes of a processor unless somebody stops it: 200,000 windows of 50,000 samples are sorted.</summary>
    private static readonly string Endless =
        string.Join(" + ", Enumerable.Repeat("max_over_time(quantile_over_time(0.5, vector(time())[50000s:1s])[50000s:1s])", 4));

    [Fact]
    public async Task Query_CallerGone_EvaluationStops()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxConcurrentQueries", "1"), ("Metrics:QueryTimeout", "00:10:00")]);
        var gate = host.Services.GetRequiredService<QueryGate>();
        using var client = new PrometheusClient(host);
        using var gone = new CancellationTokenSource();
        var asked = client.Http.GetAsync(new Uri($"api/v1/query?query={Uri.EscapeDataString(Endless)}", UriKind.Relative), gone.Token);
        // The only place is taken: what is asked now has to wait.
        await Waiting.Until(() => Task.FromResult(gate.Running == 1), "the query runs");
        var second = client.GetAsync("query?query=1");
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked).DefaultTimeout();
        // Answered only when the first has given its place back.
        await second;
        Assert.Equal(0, gate.Running);
    }

    [Fact]
    public async Task Query_LongerThanItsTimeout_Is503AndSaysSo()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:QueryTimeout", "00:10:00")]);
        using var client = new PrometheusClient(host);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "timeout", "query timed out in expression evaluation"),
            await client.RefusedAsync($"query?query={Uri.EscapeDataString(Endless)}&timeout=50ms"));
    }

    [Fact]
    public async Task Query_LongerThanTheServiceAllows_Is503AndNamesTheOption()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:QueryTimeout", "00:00:00.1")]);
        using var client = new PrometheusClient(host);
        var (status, type, message) = await client.RefusedAsync($"query?query={Uri.EscapeDataString(Endless)}");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "timeout"), (status, type));
        Assert.Contains("Metrics:QueryTimeout", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Query_BeyondTheLine_Is503AndNamesTheOptions()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxConcurrentQueries", "1"), ("Metrics:MaxQueuedQueries", "1")]);
        var gate = host.Services.GetRequiredService<QueryGate>();
        using var client = new PrometheusClient(host);
        Task<System.Text.Json.JsonElement> waiting;
        using (await gate.EnterAsync(CancellationToken.None))
        {
            waiting = client.GetAsync("query?query=1");
            await Waiting.Until(() => Task.FromResult(gate.Waiting == 1), "the query waits");
            var (status, type, message) = await client.RefusedAsync("query?query=1");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), (status, type));
            Assert.Contains("Metrics:MaxQueuedQueries", message, StringComparison.Ordinal);
            Assert.Equal(1, await Counters.SumAsync(host, "vigil_metrics_queries_refused_total", "type=\"unavailable\""));
        }
        await waiting;
        Assert.Equal((0, 0), (gate.Running, gate.Waiting));
    }

    [Fact]
    public async Task Query_OneSampleOrSeriesTooMany_IsRefusedByName()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSamplesPerQuery", "3"), ("Metrics:MaxSeriesPerQuery", "2")]);
        using var client = new PrometheusClient(host);
        using var push = await host.OpenAsync("s", ("job", "api"));
        await push.DeclareAsync(PushClient.Series(1, "m", ("n", "1")), PushClient.Series(2, "m", ("n", "2")), PushClient.Series(3, "m", ("n", "3")));
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await push.SendAsync(1, (1, now - 3000, 1), (1, now - 2000, 1), (1, now - 1000, 1), (2, now - 1000, 1));
        await push.AckAsync();
        Assert.Equal("3", await client.ValueAsync("count_over_time(m{n=\"1\"}[1m])"));
        Assert.Contains("MaxSamplesPerQuery", (await client.RefusedAsync("query?query=m[1m]")).Message, StringComparison.Ordinal);
        Assert.Equal("2", await client.ValueAsync("count(m)"));
        await push.SendAsync(2, (3, now - 1000, 1));
        await push.AckAsync();
        var (status, type, message) = await client.RefusedAsync("query?query=m");
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "execution"), (status, type));
        Assert.Contains("MaxSeriesPerQuery", message, StringComparison.Ordinal);
        Assert.Equal(2, await Counters.SumAsync(host, "vigil_metrics_queries_refused_total", "type=\"execution\""));
    }

    [Fact]
    public async Task Query_NestedTooDeep_IsRefused()
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = new PrometheusClient(host);
        var (status, type, _) = await client.RefusedAsync($"query?query={new string('(', 300)}1{new string(')', 300)}");
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data"), (status, type));
    }

    [Fact]
    public async Task Query_SlowerThanTheThreshold_IsLoggedWithItsCallerAndCounted()
    {
        var logged = new LogCapture();
        await using var host = await MetricsHost.StartAsync(logged, ("Metrics:SlowQueryThreshold", "00:00:00"));
        using var client = new PrometheusClient(host);
        var longOne = $"1 + {string.Join(" + ", Enumerable.Repeat("22222222", 200))}";
        await client.GetAsync($"query?query={Uri.EscapeDataString(longOne)}");
        var line = Assert.Single(logged.Of("SlowQuery"));
        Assert.Contains("admin", line, StringComparison.Ordinal);
        Assert.Contains($"... ({longOne.Length} characters)", line, StringComparison.Ordinal);
        Assert.DoesNotContain(longOne, line, StringComparison.Ordinal);
        using var metrics = await client.SendAsync(HttpMethod.Get, "/metrics");
        Assert.Matches("vigil_metrics_queries_slow[^\n]*kind=\"instant\"[^\n]* 1\n", await metrics.Content.ReadAsStringAsync());
    }
}
