using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Vigil.Client;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>
/// kill -9 at any moment under load, with all doors open. Twice, or as often as VIGIL_KILLS says:
/// <c>VIGIL_KILLS=50 dotnet test tests/Metrics.Tests --filter FullyQualifiedName~KillTests</c>.
/// </summary>
public sealed class KillTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Kill9_UnderLoadAtAllDoors_LosesNothingAcknowledgedAndCountsNothingTwice()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("VIGIL_KILLS") ?? "2", CultureInfo.InvariantCulture);
        // The moments differ from kill to kill, and are the same in each run as far as the machine is.
        var random = new Random(1);
        await using var target = await Target.StartAsync();
        // Checkpoints, so that kills fall into them too; little memory and rollups at once, so that what is counted is read from these.
        await using var metrics = new MetricsProgram(
            ("Metrics__CheckpointInterval", "00:00:02"), ("Metrics__RollupDelay", "00:00:00"), ("Metrics__MaxSamplesInMemoryPerSeries", "160"), ("Metrics__ScrapeFile", "scrape.yml"), ("Rules__Directory", "rules"));
        await File.WriteAllTextAsync(Path.Combine(metrics.Folder, "scrape.yml"),
            $"scrape_configs:\n- job_name: scraped\n  scrape_interval: 1s\n  static_configs: [{{targets: ['{target.Address}']}}]\n");
        Directory.CreateDirectory(Path.Combine(metrics.Folder, "rules"));
        await File.WriteAllTextAsync(Path.Combine(metrics.Folder, "rules", "r.yaml"), "groups: [{name: g, interval: 1s, rules: [{record: recorded, expr: count(otlp_grpc)}]}]");
        await metrics.StartAsync();

        using var stop = new CancellationTokenSource();
        var doors = Door.All(metrics.GrpcAddress, metrics.HttpAddress);
        var senders = doors.Select(door => new Sender(door)).ToArray();
        var sending = senders.Select(sender => sender.RunAsync(stop.Token)).ToArray();
        using var client = new VigilClient(new VigilClientOptions { MetricsAddress = metrics.GrpcAddress, Token = MetricsHost.Token });
        await using var pusher = client.OpenPusher(new MetricsPusherOptions { Labels = new Dictionary<string, string> { ["job"] = "pushed" } });
        var streamed = new Streamed();
        var streaming = streamed.RunAsync(pusher, stop.Token);

        for (var kill = 0; kill < kills; kill++)
        {
            var before = senders.Select(s => s.Acknowledged).Append(streamed.Acknowledged).ToArray();
            await Waiting.Until(() => Task.FromResult(senders.Select(s => s.Acknowledged).Append(streamed.Acknowledged).Zip(before).All(n => n.First >= n.Second + 3)),
                $"every door takes samples before kill {kill}\n{metrics.Output}", Patience);
            await Task.Delay(random.Next(500));
            // What is fetched is not acknowledged to anybody: what a query has shown is what must stay.
            var shown = await FetchedAsync(client);
            await metrics.KillAsync();
            await metrics.StartAsync();
            var still = await FetchedAsync(client);
            Assert.All(shown, one => Assert.True(still.GetValueOrDefault(one.Key) >= one.Value, $"{one.Key} had {one.Value} samples before kill {kill}, and has {still.GetValueOrDefault(one.Key)}"));
        }

        await stop.CancelAsync();
        await Task.WhenAll(sending).DefaultTimeout(Patience);
        await streaming.DefaultTimeout(Patience);
        // Each sender went on until its last batch was acknowledged: what is stored is neither less nor more.
        foreach (var (door, sender) in doors.Zip(senders))
        {
            var n = sender.Acknowledged;
            var name = door.Name == "otlp_delta" ? "otlp_delta_total" : door.Name;
            await EqualAsync(client, $"count(count_over_time({name}[1d]) == {n})", Door.Width);
            if (door.Name == "otlp_delta") await EqualAsync(client, $"count(last_over_time({name}[1d]) == {n})", Door.Width);
            else await EqualAsync(client, $"count(sum_over_time({name}[1d]) == {n * (n - 1) / 2})", Door.Width);
            door.Dispose();
        }
        await EqualAsync(client, "count_over_time(pushed[1d])", streamed.Acknowledged);
        await EqualAsync(client, "sum_over_time(pushed[1d])", streamed.Acknowledged * (streamed.Acknowledged - 1) / 2);
        Assert.Equal(0, pusher.Statistics.Refused);

        // What is fetched has nobody who waits for an acknowledgement: it must go on, and hold what the target showed.
        await Waiting.Until(async () => (await client.QueryAsync("last_over_time(scraped_total[1d])").DefaultTimeout()).Vector is [{ Value: > 0 }], "the target is scraped", Patience);
        await EqualAsync(client, "resets(scraped_total[1d])", 0);
        await Waiting.Until(async () => (await client.QueryAsync("count_over_time(recorded[1d])").DefaultTimeout()).Vector is [{ Value: > 0 }], "the rule is recorded", Patience);
        await EqualAsync(client, $"max_over_time(recorded[1d])", Door.Width);
    }

    /// <summary>How many samples there are of what is scraped and recorded, by series.</summary>
    private static async Task<Dictionary<string, double>> FetchedAsync(VigilClient client)
    {
        var found = new Dictionary<string, double>();
        foreach (var name in new[] { "scraped_total", "up", "recorded" })
        {
            foreach (var one in await AskAsync(client, $"count_over_time({name}[1d])")) found.Add(name + one.Series, one.Value);
        }
        return found;
    }

    /// <summary>A client may take a while to find that what was killed is there again.</summary>
    private static async Task<IReadOnlyList<SeriesValue>> AskAsync(VigilClient client, string expr)
    {
        IReadOnlyList<SeriesValue> found = [];
        await Waiting.Until(async () =>
        {
            try
            {
                found = (await client.QueryAsync(expr).DefaultTimeout()).Vector!;
                return true;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
            {
                return false;
            }
        }, "queries are answered", Patience);
        return found;
    }

    private static async Task EqualAsync(VigilClient client, string expr, double expected)
    {
        var found = await AskAsync(client, expr);
        Assert.True(found is [var one] && one.Value == expected, $"{expr}: {expected} expected, found {string.Join(", ", found.Select(f => f.Value))}");
    }

    /// <summary>Sends numbered batches, each until it is acknowledged.</summary>
    private sealed class Sender(Door door)
    {
        private long acknowledged;

        public long Acknowledged => Volatile.Read(ref acknowledged);

        public async Task RunAsync(CancellationToken stop)
        {
            var at = 0L;
            while (!stop.IsCancellationRequested)
            {
                // A millisecond of its own for each: two samples of one moment would be one.
                at = Math.Max(at + 1, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
                var answer = await door.SendAsync(at, Acknowledged);
                while (!answer.Taken)
                {
                    Assert.True(answer.Unavailable, $"{door.Name} refuses what it should take, or ask for again: {answer.Message}");
                    await Task.Delay(20, CancellationToken.None);
                    answer = await door.SendAsync(at, Acknowledged);
                }
                Interlocked.Increment(ref acknowledged);
                await Task.Delay(5, CancellationToken.None);
            }
        }
    }

    /// <summary>The same by a stream, whose client sends again by itself.</summary>
    private sealed class Streamed
    {
        private long acknowledged;

        public long Acknowledged => Volatile.Read(ref acknowledged);

        public async Task RunAsync(MetricsPusher pusher, CancellationToken stop)
        {
            var series = pusher.Declare("pushed");
            var at = DateTimeOffset.UnixEpoch;
            while (!stop.IsCancellationRequested)
            {
                const int Batch = 10;
                for (var i = 0; i < Batch; i++)
                {
                    var now = TimeProvider.System.GetUtcNow();
                    at = now > at.AddMilliseconds(1) ? now : at.AddMilliseconds(1);
                    pusher.Record(series, acknowledged + i, at);
                }
                await pusher.FlushDurableAsync(CancellationToken.None);
                Interlocked.Add(ref acknowledged, Batch);
                // Slower than a millisecond a sample, or the samples' times would run ahead of the clock.
                await Task.Delay(20, CancellationToken.None);
            }
        }
    }

    /// <summary>Has a page of metrics that counts how often it was read.</summary>
    private sealed class Target(WebApplication app) : IAsyncDisposable
    {
        public string Address => new Uri(app.Urls.First()).Authority;

        public static async Task<Target> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var reads = 0L;
            app.MapGet("/metrics", () => Results.Text($"# TYPE scraped_total counter\nscraped_total {Interlocked.Increment(ref reads)}\n", "text/plain; version=0.0.4"));
            await app.StartAsync().DefaultTimeout();
            return new Target(app);
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
