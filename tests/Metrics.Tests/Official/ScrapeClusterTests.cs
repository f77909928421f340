using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Vigil.Metrics.Tests.Scrape;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Official;

/// <summary>Several processes of the service with the same file of targets.</summary>
public sealed class ScrapeClusterTests
{
    private const int Targets = 8;

    [FactNeeds("postgres", "initdb")]
    public async Task Cluster_EachTarget_IsScrapedByOneProcess_AndByAnotherWhenThatIsKilled()
    {
        await using var server = await TargetServer.StartAsync();
        var asked = new ConcurrentDictionary<string, int>();
        server.Answer = context =>
        {
            asked.AddOrUpdate(context.Request.Path, 1, (_, count) => count + 1);
            return context.Response.WriteAsync("a 1\n");
        };
        var folder = Directory.CreateTempSubdirectory("vigil-scrape-");
        try
        {
            var file = Path.Combine(folder.FullName, "scrape.yml");
            await File.WriteAllTextAsync(file, "scrape_configs:\n- job_name: j\n  scrape_interval: 1s\n  relabel_configs: [ { source_labels: [id], target_label: __metrics_path__, replacement: '/$1' } ]\n  static_configs:\n"
                + string.Concat(Enumerable.Range(0, Targets).Select(i => $"  - {{ targets: [ '{server.Address}' ], labels: {{ id: t{i} }} }}\n")));
            var postgres = await PostgresServer.NewDatabaseAsync();
            await using var one = await MetricsProcess.StartAsync(postgres, ("Metrics:ScrapeFile", file));
            await using var two = await MetricsProcess.StartAsync(postgres, ("Metrics:ScrapeFile", file));
            asked.Clear();
            var start = TimeProvider.System.GetTimestamp();
            await AskedAsync(12);
            var seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            // Once a second, not twice.
            Assert.All(asked, a => Assert.InRange(a.Value, 12, seconds + 3));
            foreach (var silo in new[] { one, two })
                await Waiting.Until(async () => (await silo.GetAsync("/api/v1/targets")).Split("\"health\":\"up\"").Length == Targets + 1, "each process shows all targets");

            await two.KillAsync();
            asked.Clear();
            await AskedAsync(3);
            // Calls fail until the survivor has declared the other dead.
            await Waiting.Until(() => ClusterTests.AnsweredAsync(async () => await one.ValueAsync("sum(up)") == Targets), "all are up", TimeSpan.FromMinutes(2));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        Task AskedAsync(int times) => Waiting.Until(() => Task.FromResult(asked.Count == Targets && asked.Values.All(count => count >= times)), $"every target was asked {times} times", TimeSpan.FromMinutes(2));
    }
}
