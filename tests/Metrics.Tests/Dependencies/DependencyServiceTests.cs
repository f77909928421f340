using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Dependencies;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.V1;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Dependencies;

public sealed class DependencyServiceTests
{
    private const string Graph = """
        services:
          - { name: web, title: The shop, depends_on: [ model ], checks: [ { name: health, expr: 'probe_success{job="web"}' } ] }
          - { name: model, depends_on: [ db ] }
          - { name: db, checks: [ { name: connection, expr: 'up{job="db"}' } ] }
          - { name: alone, checks: [ { name: none, expr: 'up{job="nobody"}' } ] }

        """;

    [Fact]
    public async Task GetGraph_FromChecksToWhatIsDownBelow_IsServedByGrpcAndJson_O10()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-graph-");
        try
        {
            var file = Path.Combine(folder.FullName, "services.yaml");
            await File.WriteAllTextAsync(file, Graph);
            var clock = new FakeClock();
            await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:DependencyFile", file), ("Metrics:ReloadPoll", "01:00:00")]);
            var service = host.Services.GetRequiredService<DependencyService>();
            await service.ReloadAsync(default).DefaultTimeout();
            var client = new V1.Dependencies.DependenciesClient(host.Channel);
            using var push = await host.OpenAsync("s1");
            await push.DeclareAsync(PushClient.Series(1, "probe_success", ("job", "web")), PushClient.Series(2, "up", ("job", "db"), ("instance", "a")), PushClient.Series(3, "up", ("job", "db"), ("instance", "b")));
            await SendAsync(1, web: 1, a: 1, b: 1);

            var graph = await GetAsync();
            Assert.Equal(["web Up ", "model Unknown ", "db Up ", "alone Unknown "], Told(graph));
            Assert.Equal(("The shop", "all checks hold", clock.GetUtcNow().ToUnixTimeMilliseconds()), (graph.Services[0].Title, graph.Services[0].Reason, graph.EvaluatedAtUnixMs));
            Assert.Equal((2u, 2u, V1.HealthState.Up), (graph.Services[2].Checks[0].Holding, graph.Services[2].Checks[0].Series, graph.Services[2].Checks[0].State));

            clock.Advance(TimeSpan.FromSeconds(5));
            await SendAsync(2, web: 1, a: 1, b: 0);
            Assert.Equal(["web Up ", "model Unknown ", "db Degraded ", "alone Unknown "], Told(await GetAsync()));

            clock.Advance(TimeSpan.FromSeconds(5));
            await SendAsync(3, web: 1, a: 0, b: 0);
            Assert.Equal(["web Up db", "model Unknown db", "db Down ", "alone Unknown "], Told(await GetAsync()));
            Assert.Equal(["model Unknown db", "db Down "], Told(await GetAsync("model")));
            Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(() => GetAsync("nobody"))).StatusCode);

            using var http = new HttpClient { BaseAddress = host.HttpAddress };
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/api/v1/dependencies").DefaultTimeout()).StatusCode);
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "reader");
            using var document = JsonDocument.Parse(await http.GetStringAsync("/api/v1/dependencies?service=web").DefaultTimeout());
            var services = document.RootElement.GetProperty("data").GetProperty("services");
            Assert.Equal(3, services.GetArrayLength());
            Assert.Equal(("web", "up", "db", "model"), (services[0].GetProperty("name").GetString(), services[0].GetProperty("state").GetString(),
                services[0].GetProperty("downBelow")[0].GetString(), services[0].GetProperty("dependsOn")[0].GetString()));
            Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/api/v1/dependencies?service=nobody").DefaultTimeout()).StatusCode);

            // A circle changes nothing, and says where it is.
            await File.WriteAllTextAsync(file, Graph.Replace("name: db, checks", "name: db, depends_on: [ web ], checks"));
            Assert.Equal("services[2].depends_on", Assert.Single(await service.ReloadAsync(default).DefaultTimeout()).Key);
            Assert.Equal(4, (await GetAsync()).Services.Count);
            await File.WriteAllTextAsync(file, "services: [ { name: other } ]");
            Assert.Empty(await service.ReloadAsync(default).DefaultTimeout());
            Assert.Equal("other", Assert.Single((await GetAsync()).Services).Name);

            async Task<DependencyGraph> GetAsync(string name = "") => await client.GetGraphAsync(new GetGraphRequest { Service = name }, MetricsHost.Auth).ResponseAsync.DefaultTimeout();

            async Task SendAsync(ulong sequence, double web, double a, double b)
            {
                var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
                await push.SendAsync(sequence, (1, now, web), (2, now, a), (3, now, b));
                await push.AckAsync();
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task GetGraph_NothingDeclared_IsEmpty_AndNeedsAToken()
    {
        await using var host = await MetricsHost.StartAsync();
        var client = new V1.Dependencies.DependenciesClient(host.Channel);
        Assert.Empty((await client.GetGraphAsync(new GetGraphRequest(), MetricsHost.Auth).ResponseAsync.DefaultTimeout()).Services);
        var refused = await Assert.ThrowsAsync<RpcException>(() => client.GetGraphAsync(new GetGraphRequest()).ResponseAsync.DefaultTimeout());
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
    }

    private static IEnumerable<string> Told(DependencyGraph graph) => graph.Services.Select(s => $"{s.Name} {s.State} {string.Join(",", s.DownBelow)}");
}
