using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class HealthTests
{
    [Fact]
    public async Task M18_Ready_Blocked_Is503WithReasonsUntilAllAreReleased()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client();
        var readiness = service.App.Services.GetRequiredService<IReadiness>();

        var first = readiness.Block("replaying the journal");
        var second = readiness.Block("loading policies");
        using var blocked = await client.GetAsync("/ready").DefaultTimeout();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, blocked.StatusCode);
        var body = await blocked.Content.ReadFromJsonAsync<JsonElement>();
        Assert.False(body.GetProperty("ready").GetBoolean());
        Assert.Equal("replaying the journal; loading policies", body.GetProperty("reasons")[0].GetString());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/live").DefaultTimeout()).StatusCode);

        first.Dispose();
        first.Dispose(); // twice is once
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
        second.Dispose();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Ready_AcceptText_AnswersInLines()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client();
        client.DefaultRequestHeaders.Accept.ParseAdd("text/plain");
        service.App.Services.GetRequiredService<IReadiness>().Block("loading");

        using var response = await client.GetAsync("/ready").DefaultTimeout();

        Assert.Equal("not ready\nloading\n", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task M18_Health_ShowsEveryCheck_OnesNotForReadinessDoNotBlockIt()
    {
        await using var service = await TestService.StartAsync(b => b.Services.AddHealthChecks().AddCheck("peer", () => HealthCheckResult.Unhealthy("metrics is gone")));
        using var client = service.Client();

        using var health = await client.GetAsync("/health").DefaultTimeout();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        var checks = (await health.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("checks");
        Assert.Equal("Healthy", checks.GetProperty("database").GetProperty("status").GetString());
        Assert.Equal("metrics is gone", checks.GetProperty("peer").GetProperty("description").GetString());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Ready_DatabaseGone_Is503WithoutPaths()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client();
        await ((IAsyncDisposable)service.App.Services.GetRequiredService<IDatabase>()).DisposeAsync();
        Directory.Delete(Path.Combine(service.Folder, "data"), recursive: true);

        using var response = await client.GetAsync("/ready").DefaultTimeout();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        var body = await response.Content.ReadAsStringAsync();
        Assert.DoesNotContain(service.Folder, body);
    }
}
