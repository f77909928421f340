using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.Metrics.Tests.Service;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>The service with the clock set to a day, with samples of the weeks before in its database, rolled up.</summary>
internal sealed class RollupHost : IAsyncDisposable
{
    public const string Job = "api";

    private readonly Dictionary<string, int> ids = [];

    private RollupHost(MetricsHost host, FakeClock clock) => (Host, Clock) = (host, clock);

    public MetricsHost Host { get; private set; }

    public FakeClock Clock { get; }

    public IMonitoredServiceGrain Grain => Host.Grain(Job);

    public IDatabase Database => Host.Services.GetRequiredService<IDatabase>();

    private QueryCoordinator Coordinator => Host.Services.GetRequiredService<QueryCoordinator>();

    public static async Task<RollupHost> StartAsync(DateTimeOffset now, string? directory = null, string? postgres = null, params (string Key, string Value)[] settings)
    {
        var clock = new FakeClock(now);
        return new RollupHost(await MetricsHost.StartAsync(directory, postgres, clock,
            [("Metrics:RollupDelay", "00:00:00"), ("Metrics:MemoryWindow", "00:01:00"), ("Metrics:CheckpointInterval", "1.00:00:00"), .. settings]), clock);
    }

    public static long Ms(string time) => DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal).ToUnixTimeMilliseconds();

    /// <summary>Stores samples of a series, in batches of a few thousand.</summary>
    public async Task AppendAsync(string name, IEnumerable<(long Time, double Value)> samples)
    {
        if (!ids.TryGetValue(name, out var id))
        {
            var reply = await Grain.DeclareAsync(new DeclareBatch { Series = [new SeriesSpec { Labels = LabelSet.Of("__name__", name.Split('/')[0], "instance", name, "job", Job) }] }).DefaultTimeout();
            ids.Add(name, id = reply.Ids[0]);
        }
        foreach (var some in samples.Chunk(5_000))
        {
            var reply = await Grain.AppendAsync(new AppendBatch
            {
                Count = some.Length,
                Series = [.. Enumerable.Repeat(id, some.Length)],
                Times = [.. some.Select(s => s.Time)],
                Values = [.. some.Select(s => s.Value)],
            }).AsTask().DefaultTimeout();
            Assert.Equal(some.Length, reply.Accepted);
        }
    }

    /// <summary>A checkpoint: what is sealed is saved, and rolled up.</summary>
    public async Task CheckpointAsync()
    {
        // One that the clock began may have begun before the newest samples came, and the first call joins it.
        await Grain.CheckpointAsync().DefaultTimeout();
        await Grain.CheckpointAsync().DefaultTimeout();
    }

    /// <summary>As the service answers.</summary>
    public async Task<QueryOutcome> AskAsync(string text, StepGrid grid)
    {
        var terms = new QueryTerms("test", "test") { Queues = false };
        return await (grid.Steps == 1 ? Coordinator.InstantAsync(text, Parse(text), grid.StartMs, terms, CancellationToken.None) : Coordinator.RangeAsync(text, Parse(text), grid, terms, CancellationToken.None)).DefaultTimeout();
    }

    public Task<QueryOutcome> AskAsync(string text, long time) => AskAsync(text, new StepGrid(time, 1, 1));

    /// <summary>The one value that it has.</summary>
    public async Task<double> ValueAsync(string text, long time) => Assert.Single(((VectorValue)(await AskAsync(text, time)).Result.Value).Elements).Value;

    /// <summary>The same of every single sample; with how many these are.</summary>
    public async Task<(QueryResult Result, long Samples)> AskSamplesAsync(string text, StepGrid grid)
    {
        var (expr, source, samples) = (Parse(text), new PrefetchedSeries(), 0L);
        foreach (var (selector, range) in SelectorCollector.Collect(expr, grid, Coordinator.Evaluation))
        {
            var merge = new SelectionMerge(1, int.MaxValue, int.MaxValue);
            merge.Add(await Grain.SelectAsync(new SelectRequest
            {
                Selectors = [new SelectorSpec { Matchers = [.. range.Matchers.Select(m => new MatcherSpec { Name = m.Name, Kind = m.Kind, Value = m.Value })], From = range.FromMs + 1, To = range.ToMs }],
                MaxSeries = int.MaxValue,
                MaxSamples = int.MaxValue,
            }).DefaultTimeout());
            source.Add(selector, merge.Found[0]);
            samples += merge.Found[0].Sum(s => (long)s.Count);
        }
        return (grid.Steps == 1 ? Evaluator.Instant(text, expr, grid.StartMs, source, Coordinator.Evaluation) : Evaluator.Range(text, expr, grid, source, Coordinator.Evaluation), samples);
    }

    /// <summary>A number from the database.</summary>
    public async Task<long> NumberAsync(string sql)
    {
        await using var connection = await Database.OpenAsync();
        await using var select = new Statement(connection, sql);
        return Convert.ToInt64(await select.ScalarAsync(CancellationToken.None), System.Globalization.CultureInfo.InvariantCulture);
    }

    public Task ExecuteAsync(string sql) => Database.WriteAsync(async (transaction, ct) =>
    {
        await using var statement = new Statement(transaction, sql);
        await statement.ExecuteAsync(ct);
    }).AsTask();

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    private static Expr Parse(string text) => PromQlParser.TryParse(text, out var expr, out var error) ? expr : throw new InvalidOperationException($"{text}: {error}");
}
