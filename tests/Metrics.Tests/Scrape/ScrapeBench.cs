using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

/// <summary>The whole service with a file of jobs, on a clock that the test moves from one scrape to the next.</summary>
internal sealed class ScrapeBench : IAsyncDisposable
{
    private readonly string folder;
    private readonly Channel<(string Key, TargetReport? Report)> scraped = Channel.CreateUnbounded<(string, TargetReport?)>();

    private ScrapeBench(string folder, MetricsHost host, FakeClock clock)
    {
        (this.folder, Host, Clock) = (folder, host, clock);
        Service = host.Services.GetRequiredService<ScrapeService>();
        Service.Scraped += (key, report) => scraped.Writer.TryWrite((key, report));
    }

    public MetricsHost Host { get; }

    public FakeClock Clock { get; }

    public ScrapeService Service { get; }

    public ScrapeTargets Targets => Host.Services.GetRequiredService<ScrapeTargets>();

    public long Now => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    public string File(string name) => Path.Combine(folder, name);

    public static async Task<ScrapeBench> StartAsync(string jobs, string? folder = null, FakeClock? clock = null, params (string Key, string Value)[] settings)
    {
        folder ??= Directory.CreateTempSubdirectory("vigil-scrape-").FullName;
        clock ??= new FakeClock();
        Write(Path.Combine(folder, "scrape.yml"), jobs);
        var data = Path.Combine(folder, "data");
        Directory.CreateDirectory(data);
        // Only the test has it look at the files.
        var host = await MetricsHost.StartAsync(data, null, clock, [("Metrics:ScrapeFile", Path.Combine(folder, "scrape.yml")), ("Metrics:ReloadPoll", "01:00:00"), .. settings]);
        var bench = new ScrapeBench(folder, host, clock);
        await bench.Service.ReloadAsync(default).DefaultTimeout();
        return bench;
    }

    /// <summary>Replaces the file of jobs, and says what was found in it.</summary>
    public async Task<IReadOnlyList<string>> ReloadAsync(string jobs)
    {
        Write(File("scrape.yml"), jobs);
        return [.. (await Service.ReloadAsync(default).DefaultTimeout()).Select(f => f.ToString())];
    }

    /// <summary>Goes to the next moment at which a target is due, and waits until it was scraped.</summary>
    public async Task<TargetReport> ScrapeAsync(string? job = null)
    {
        var target = Targets.Current.Active.First(t => job is null || t.Job.Name == job);
        Clock.Advance(TimeSpan.FromMilliseconds(target.NextSlot(Now) - Now));
        Service.Wake();
        while (true)
        {
            var (key, report) = await scraped.Reader.ReadAsync().DefaultTimeout();
            if (key != target.Key) continue;
            await Service.WhenIdle(key).DefaultTimeout();
            return Assert.IsType<TargetReport>(report);
        }
    }

    /// <summary>The value of an expression now.</summary>
    public Task<double> ValueAsync(string expr) => Host.ValueAsync(expr, Now);

    /// <summary>How many series an expression has now.</summary>
    public async Task<int> CountAsync(string expr) => (await Host.AskAsync(expr, Now)).Vector.Samples.Count;

    /// <summary>Stops the service, and leaves its data for the next.</summary>
    public async Task<string> StopAsync()
    {
        await Host.DisposeAsync();
        return folder;
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    // The time of writing may be the same as before; the length must tell then.
    private static int written;

    private static void Write(string path, string content) => System.IO.File.WriteAllText(path, content + new string('\n', Interlocked.Increment(ref written)));
}
