using System.Globalization;
using System.Text;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Tests.Scrape;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>One service with all doors open, among them a target that it scrapes, on a clock that only the test moves.</summary>
internal sealed class DoorBench : IAsyncDisposable
{
    private readonly TargetServer target;
    private readonly ScrapeBench bench;

    private DoorBench(TargetServer target, ScrapeBench bench)
    {
        (this.target, this.bench) = (target, bench);
        // Increases cannot be told twice, nor another for the same moment: that door has tests of its own.
        Doors = [.. Door.All(bench.Host.GrpcAddress, bench.Host.HttpAddress).Where(d => d is not OtlpDeltaDoor), new ScrapeDoor(target, bench)];
    }

    public IReadOnlyList<Door> Doors { get; }

    public MetricsHost Host => bench.Host;

    public FakeClock Clock => bench.Clock;

    public static async Task<DoorBench> StartAsync(params (string Key, string Value)[] settings)
    {
        var target = await TargetServer.StartAsync();
        // The page names its jobs itself.
        return new DoorBench(target, await ScrapeBench.StartAsync(
            $"scrape_configs: [ {{ job_name: scrape, honor_labels: true, scrape_interval: 1s, static_configs: [ {{ targets: [ '{target.Address}' ] }} ] }} ]", settings: settings));
    }

    /// <summary>The value of an expression that has one element, now.</summary>
    public Task<double> ValueAsync(string expr) => bench.ValueAsync(expr);

    /// <summary>How many elements an expression has now.</summary>
    public Task<int> CountAsync(string expr) => bench.CountAsync(expr);

    /// <summary>A counter of the service's own, all series with these labels together.</summary>
    public Task<double> CounterAsync(string name, params string[] labels) => Counters.SumAsync(Host, name, labels);

    public async ValueTask DisposeAsync()
    {
        foreach (var door in Doors) door.Dispose();
        await bench.DisposeAsync();
        await target.DisposeAsync();
    }

    /// <summary>What is fetched: the page shows the batch, and is read when it is due.</summary>
    private sealed class ScrapeDoor(TargetServer target, ScrapeBench bench) : Door
    {
        public override string Name => "scrape";

        public override string Counter => "scrape";

        /// <summary>job and instance.</summary>
        public override int OwnLabels => 2;

        /// <summary>up and its like.</summary>
        public override int OwnSeries => 5;

        public override long NextNow(TimeProvider clock) => bench.Targets.Current.Active[0].NextSlot(bench.Now);

        public override async Task<DoorAnswer> SendAsync(IReadOnlyList<DoorSample> samples)
        {
            var page = new StringBuilder();
            foreach (var sample in samples)
            {
                var labels = sample.Labels.Prepend(("job", sample.Job ?? Name)).Select(l => $"{GoText.Quote(l.Item1)}={GoText.Quote(l.Item2)}");
                page.Append(CultureInfo.InvariantCulture, $"{{{string.Join(',', labels.Prepend(GoText.Quote(MetricOf(sample))))}}} {sample.Value:R} {sample.TimeMs}\n");
            }
            target.Show(page.ToString());
            var report = await bench.ScrapeAsync();
            return new(report.Error is null && report.Refused is null, report.Error is not null, report.Error ?? report.Refused ?? "");
        }
    }
}
