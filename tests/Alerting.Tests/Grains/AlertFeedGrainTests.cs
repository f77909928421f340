using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Vigil.Alerting.Grains;
using Vigil.Testing;
using Xunit;

namespace Vigil.Alerting.Tests.Grains;

public sealed class AlertFeedGrainTests
{
    /// <summary>A silo that stops waits for the calls that are under way: this one would wait for a clock that does not go.</summary>
    [Fact]
    public async Task Next_WhileTheServiceStops_IsAnsweredAtOnce()
    {
        using var home = new AlertingHome("groups: [{ name: g, rules: [{ alert: Down, expr: up == 0 }] }]");
        await using var host = await AlertingHost.StartAsync(home, new FakeClock());
        var next = host.Services.GetRequiredService<IGrainFactory>().GetGrain<IAlertFeedGrain>(IAlertFeedGrain.Key).Next("", -1, TimeSpan.FromSeconds(10));

        host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        Assert.Empty((await next.DefaultTimeout()).Changes);
    }
}
