using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Query;

/// <summary>What an evaluation yields and read.</summary>
/// <param name="Result">The value.</param>
/// <param name="InputSeries">Series that the selectors found with a sample in their window.</param>
/// <param name="Newest">
/// The first moment, in milliseconds since 1970, at which all samples that were read are in sight: that of the newest, and later where a
/// selector looks back by an offset. <see cref="long.MinValue"/> where there are none.
/// </param>
/// <param name="Work">An estimate of the processor's time it took.</param>
internal readonly record struct QueryOutcome(QueryResult Result, int InputSeries, long Newest, TimeSpan Work);

/// <summary>What an evaluation reads.</summary>
/// <param name="Source">The samples.</param>
/// <param name="InputSeries">As in <see cref="QueryOutcome"/>.</param>
/// <param name="Newest">As in <see cref="QueryOutcome"/>.</param>
/// <param name="Samples">How many samples.</param>
internal readonly record struct QueryInput(ISeriesSource Source, int InputSeries, long Newest, long Samples);

/// <summary>
/// Evaluates expressions: asks the grains that may hold what the selectors want, all at once within a bound, and then evaluates
/// without waiting for anything. Grains of other services than the one that a selector names by <c>job="..."</c> are not asked.
/// </summary>
internal sealed class QueryCoordinator(IGrainFactory grains, IOptions<MetricsOptions> settings, TimeProvider clock, MetricsInstruments instruments)
{
    /// <summary>Estimate of finding, unpacking and passing on a sample, which takes some tens of nanoseconds.</summary>
    private static readonly TimeSpan PerSample = TimeSpan.FromTicks(1);

    private readonly MetricsOptions options = settings.Value;
    private GrainList known = new() { Grains = [], Services = [] };

    /// <summary>The rules that expressions are evaluated by.</summary>
    public EvaluationOptions Evaluation { get; } = new();

    /// <summary>The value at one moment.</summary>
    /// <param name="text">The expression as written, for the places in remarks.</param>
    /// <param name="expr">The same, parsed.</param>
    /// <param name="timeMs">Milliseconds since 1970.</param>
    /// <param name="subscriber">Key of the standing query to tell of changes, or null.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="EvaluationException">The expression cannot be evaluated on this data.</exception>
    /// <exception cref="RefusalException">A limit is hit, it took too long, or a grain cannot be reached.</exception>
    public Task<QueryOutcome> InstantAsync(string text, Expr expr, long timeMs, string? subscriber, CancellationToken ct) =>
        MeasuredAsync(subscriber is null ? "instant" : "standing", async token =>
        {
            var input = await FetchAsync(expr, new StepGrid(timeMs, 1, 1), subscriber, token).ConfigureAwait(true);
            var start = clock.GetTimestamp();
            return Outcome(Evaluator.Instant(text, expr, timeMs, input.Source, Evaluation, token), input, start);
        }, ct);

    /// <summary>The values over a range, one per step.</summary>
    /// <inheritdoc cref="InstantAsync"/>
    public Task<QueryOutcome> RangeAsync(string text, Expr expr, StepGrid grid, CancellationToken ct) =>
        MeasuredAsync("range", async token =>
        {
            var input = await FetchAsync(expr, grid, null, token).ConfigureAwait(true);
            var start = clock.GetTimestamp();
            return Outcome(Evaluator.Range(text, expr, grid, input.Source, Evaluation, token), input, start);
        }, ct);

    /// <summary>The series with a sample in [from, to] that a selector finds, each with its newest one.</summary>
    /// <exception cref="RefusalException">A limit is hit, it took too long, or a grain cannot be reached.</exception>
    public Task<IReadOnlyList<SeriesSamples>> SeriesAsync(IReadOnlyList<LabelMatcher> matchers, long fromMs, long toMs, CancellationToken ct) =>
        MeasuredAsync("series", async token => (await SelectAsync([Spec(matchers, fromMs, toMs, newestOnly: true)], null, token).ConfigureAwait(true))[0], ct);

    private async Task<T> MeasuredAsync<T>(string kind, Func<CancellationToken, Task<T>> query, CancellationToken ct)
    {
        var start = clock.GetTimestamp();
        using var timeout = new CancellationTokenSource(options.QueryTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, ct);
        var failed = true;
        try
        {
            // Continues where it was called: a standing query evaluates in its grain's turn.
            var result = await query(either.Token).ConfigureAwait(true);
            failed = false;
            return result;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new RefusalException(RefusalKind.Timeout, $"the query took longer than {options.QueryTimeout} (Metrics:{nameof(MetricsOptions.QueryTimeout)})");
        }
        finally
        {
            instruments.Queried(kind, failed, clock.GetElapsedTime(start));
        }
    }

    // The evaluation does not wait for anything, so its time is the processor's; the grains' reading is not, and is counted by what they read.
    private QueryOutcome Outcome(QueryResult result, QueryInput input, long start) =>
        new(result, input.InputSeries, input.Newest, clock.GetElapsedTime(start) + input.Samples * PerSample);

    private async Task<QueryInput> FetchAsync(Expr expr, StepGrid grid, string? subscriber, CancellationToken ct)
    {
        var wanted = SelectorCollector.Collect(expr, grid, Evaluation);
        var source = new PrefetchedSeries();
        if (wanted.Count == 0) return new QueryInput(source, 0, long.MinValue, 0);
        // The range leaves its first moment out.
        var specs = wanted.Select(w => Spec(w.Range.Matchers, w.Range.FromMs + 1, w.Range.ToMs, w.Range.NewestOnly)).ToArray();
        var found = await SelectAsync(specs, subscriber, ct).ConfigureAwait(true);
        var input = 0;
        long samples = 0;
        var newest = long.MinValue;
        for (var i = 0; i < wanted.Count; i++)
        {
            source.Add(wanted[i].Selector, found[i]);
            var offset = grid.TimeOf(grid.Steps - 1) - wanted[i].Range.ToMs;
            foreach (var series in found[i])
            {
                samples += series.Times.Length;
                newest = Math.Max(newest, series.Times.Span[^1] + offset);
                // A series that ended within the window has no value to judge.
                if (!series.EndsStale) input++;
            }
        }
        return new QueryInput(source, input, newest, samples);
    }

    private async Task<IReadOnlyList<SeriesSamples>[]> SelectAsync(SelectorSpec[] selectors, string? subscriber, CancellationToken ct)
    {
        var candidates = await CandidatesAsync(selectors, subscriber, ct).ConfigureAwait(true);
        var merge = new SelectionMerge(selectors.Length, options.MaxSeriesPerQuery, options.MaxSamplesPerQuery);
        foreach (var some in candidates.Chunk(options.QueryConcurrency))
        {
            var calls = some.Select(grain => grains.GetGrain<IMonitoredServiceGrain>(grain).SelectAsync(new SelectRequest
            {
                Selectors = selectors,
                Subscriber = subscriber,
                LeaseSeconds = 30,
                MaxSeries = options.MaxSeriesPerQuery,
                MaxSamples = options.MaxSamplesPerQuery,
            })).ToArray();
            foreach (var reply in await ReachAsync(Task.WhenAll(calls), ct).ConfigureAwait(true)) merge.Add(reply);
        }
        return merge.Found;
    }

    private async Task<IEnumerable<string>> CandidatesAsync(SelectorSpec[] selectors, string? subscriber, CancellationToken ct)
    {
        var list = known;
        var newer = await ReachAsync(grains.GetGrain<IServiceIndexGrain>(IServiceIndexGrain.Key).ListAsync(list.Grains.Length, subscriber), ct).ConfigureAwait(true);
        if (newer is not null) known = list = newer;
        var services = new HashSet<string>(StringComparer.Ordinal);
        foreach (var selector in selectors)
        {
            var job = Array.Find(selector.Matchers, m => m is { Name: GrainKeys.JobLabel, Kind: MatchKind.Equal, Value.Length: > 0 });
            if (job is null) return list.Grains;
            services.Add(job.Value);
        }
        return list.Grains.Where((_, i) => services.Contains(list.Services[i]));
    }

    private static async Task<T> ReachAsync<T>(Task<T> call, CancellationToken ct)
    {
        try
        {
            return await call.WaitAsync(ct).ConfigureAwait(true);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException)
        {
            throw new RefusalException(RefusalKind.Unavailable, $"samples cannot be read for the moment: {e.Message}");
        }
    }

    private static SelectorSpec Spec(IReadOnlyList<LabelMatcher> matchers, long from, long to, bool newestOnly) => new()
    {
        Matchers = [.. matchers.Select(m => new MatcherSpec { Name = m.Name, Kind = m.Kind, Value = m.Value })],
        From = from,
        To = to,
        NewestOnly = newestOnly,
    };
}
