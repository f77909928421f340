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
internal readonly record struct QueryOutcome(QueryResult Result, int InputSeries, long Newest, TimeSpan Work)
{
    /// <summary>Samples that were read for it.</summary>
    public long Samples { get; init; }

    /// <summary>Where its time went.</summary>
    public QueryTimes Times { get; init; }
}

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
internal sealed class QueryCoordinator(
    IGrainFactory grains, QueryGate gate, IOptions<MetricsOptions> settings, TimeProvider clock, MetricsInstruments instruments, ILogger<QueryCoordinator> log)
{
    /// <summary>As much of a slow query's text is logged.</summary>
    private const int LoggedText = 1_000;

    private const string Standing = "standing";

    /// <summary>Estimate of finding, unpacking and passing on a sample, which takes some tens of nanoseconds.</summary>
    private static readonly TimeSpan PerSample = TimeSpan.FromTicks(1);

    private readonly MetricsOptions options = settings.Value;
    private GrainList known = new() { Grains = [], Services = [] };

    /// <summary>The rules that expressions are evaluated by.</summary>
    public EvaluationOptions Evaluation { get; } = new() { Zone = TimeZoneInfo.FindSystemTimeZoneById(settings.Value.TimeZone) };

    /// <summary>The value of a watched expression at one moment.</summary>
    /// <param name="text">The expression as written, for the places in remarks.</param>
    /// <param name="expr">The same, parsed.</param>
    /// <param name="timeMs">Milliseconds since 1970.</param>
    /// <param name="subscriber">Key of the standing query to tell of changes.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="EvaluationException">The expression cannot be evaluated on this data.</exception>
    /// <exception cref="RefusalException">A limit is hit, it took too long, or a grain cannot be reached.</exception>
    public async Task<QueryOutcome> InstantAsync(string text, Expr expr, long timeMs, string subscriber, CancellationToken ct) =>
        // Continues where it was called: a standing query evaluates in its grain's turn.
        await WithinTimeAsync(Standing, token => EvaluateAsync(text, expr, new StepGrid(timeMs, 1, 1), instant: true, Evaluation, subscriber, new QueryRun(), token), ct).ConfigureAwait(true);

    /// <summary>The value at one moment.</summary>
    /// <param name="text">The expression as written, for the places in remarks.</param>
    /// <param name="expr">The same, parsed.</param>
    /// <param name="timeMs">Milliseconds since 1970.</param>
    /// <param name="terms">Who asks, and by what rules it is evaluated.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="EvaluationException">The expression cannot be evaluated on this data.</exception>
    /// <exception cref="RefusalException">A limit is hit, it took too long, too many others are running, or a grain cannot be reached.</exception>
    public Task<QueryOutcome> InstantAsync(string text, Expr expr, long timeMs, QueryTerms terms, CancellationToken ct) =>
        AskedAsync(text, terms, (run, token) => EvaluateAsync(text, expr, new StepGrid(timeMs, 1, 1), instant: true, RulesOf(terms), null, run, token), ct);

    /// <summary>The values over a range, one per step.</summary>
    /// <inheritdoc cref="InstantAsync(string, Expr, long, QueryTerms, CancellationToken)"/>
    public Task<QueryOutcome> RangeAsync(string text, Expr expr, StepGrid grid, QueryTerms terms, CancellationToken ct) =>
        AskedAsync(text, terms, (run, token) => EvaluateAsync(text, expr, grid, instant: false, RulesOf(terms), null, run, token), ct);

    /// <summary>The series with a sample in [from, to] that a selector finds, each with its newest one.</summary>
    /// <exception cref="RefusalException">A limit is hit, it took too long, too many others are running, or a grain cannot be reached.</exception>
    public Task<IReadOnlyList<SeriesSamples>> SeriesAsync(string text, IReadOnlyList<LabelMatcher> matchers, long fromMs, long toMs, QueryTerms terms, CancellationToken ct) =>
        AskedAsync(text, terms, async (run, token) =>
        {
            var found = (await SelectAsync([Spec(matchers, fromMs, toMs, newestOnly: true)], null, token).ConfigureAwait(false))[0];
            run.Samples = found.Count;
            return found;
        }, ct);

    /// <summary>Asks all grains that may hold series of one of several selectors.</summary>
    /// <exception cref="RefusalException">It took too long, too many others are running, or a grain cannot be reached.</exception>
    public Task<IReadOnlyList<T>> AskAsync<T>(string text, IEnumerable<IReadOnlyList<LabelMatcher>> selectors, QueryTerms terms, Func<IMonitoredServiceGrain, Task<T>> ask, CancellationToken ct) =>
        AskedAsync(text, terms, async (_, token) =>
        {
            var replies = new List<T>();
            var candidates = await CandidatesAsync([.. selectors.Select(matchers => Spec(matchers, 0, 0, newestOnly: true))], null, token).ConfigureAwait(false);
            foreach (var some in candidates.Chunk(options.QueryConcurrency))
                replies.AddRange(await ReachAsync(Task.WhenAll(some.Select(grain => ask(grains.GetGrain<IMonitoredServiceGrain>(grain)))), token).ConfigureAwait(false));
            return (IReadOnlyList<T>)replies;
        }, ct);

    /// <summary>The grains of all services.</summary>
    /// <exception cref="RefusalException">The list cannot be had for the moment.</exception>
    public async Task<IReadOnlyList<string>> GrainsAsync(CancellationToken ct) => (await ListAsync(null, ct).ConfigureAwait(false)).Grains;

    private EvaluationOptions RulesOf(QueryTerms terms) => terms.LookbackMs is { } lookback ? Evaluation with { LookbackMs = lookback } : Evaluation;

    /// <summary>A query that somebody asked: it waits for its place, and is logged where it was slow.</summary>
    private async Task<T> AskedAsync<T>(string text, QueryTerms terms, Func<QueryRun, CancellationToken, Task<T>> query, CancellationToken ct)
    {
        var start = clock.GetTimestamp();
        var run = new QueryRun();
        try
        {
            return await WithinTimeAsync(terms.Kind, async token =>
            {
                using var place = terms.Queues ? await gate.EnterAsync(token).ConfigureAwait(false) : default;
                run.Queued = clock.GetElapsedTime(start);
                return await query(run, token).ConfigureAwait(false);
            }, ct).ConfigureAwait(false);
        }
        finally
        {
            var took = clock.GetElapsedTime(start);
            if (took >= options.SlowQueryThreshold) Slow(text, terms, took, run);
        }
    }

    private void Slow(string text, QueryTerms terms, TimeSpan took, QueryRun run)
    {
        instruments.SlowQueries.Add(1, new KeyValuePair<string, object?>("kind", terms.Kind));
        var shown = text.Length <= LoggedText ? text : $"{text.AsSpan(0, LoggedText)}... ({text.Length} characters)";
        MetricsLog.SlowQuery(log, terms.Kind, took.TotalSeconds, run.Queued.TotalSeconds, run.Samples, terms.Caller, shown);
    }

    private async Task<T> WithinTimeAsync<T>(string kind, Func<CancellationToken, Task<T>> query, CancellationToken ct)
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

    private async Task<QueryOutcome> EvaluateAsync(
        string text, Expr expr, StepGrid grid, bool instant, EvaluationOptions rules, string? subscriber, QueryRun run, CancellationToken token)
    {
        var fetching = clock.GetTimestamp();
        var input = await FetchAsync(expr, grid, rules, subscriber, token).ConfigureAwait(true);
        run.Samples = input.Samples;
        var start = clock.GetTimestamp();
        var result = instant
            ? Evaluator.Instant(text, expr, grid.StartMs, input.Source, rules, token)
            : Evaluator.Range(text, expr, grid, input.Source, rules, token);
        var evaluated = clock.GetElapsedTime(start);
        // The evaluation does not wait for anything, so its time is the processor's; the grains' reading is not, and is counted by what they read.
        return new QueryOutcome(result, input.InputSeries, input.Newest, evaluated + input.Samples * PerSample)
        {
            Samples = input.Samples,
            Times = new QueryTimes(run.Queued, clock.GetElapsedTime(fetching, start), evaluated),
        };
    }

    private async Task<QueryInput> FetchAsync(Expr expr, StepGrid grid, EvaluationOptions rules, string? subscriber, CancellationToken ct)
    {
        var wanted = SelectorCollector.Collect(expr, grid, rules);
        var source = new PrefetchedSeries();
        if (wanted.Count == 0) return new QueryInput(source, 0, long.MinValue, 0);
        // The range leaves its first moment out.
        var specs = wanted.Select(w => Spec(w.Range.Matchers, w.Range.FromMs + 1, w.Range.ToMs, w.Range.NewestOnly) with { Boundaries = w.Range.Boundaries, LooksBack = w.Range.LooksBack }).ToArray();
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
        // Where the number of shards was changed.
        if (merge.OverlapsInRollups) return await SelectAsync(Array.ConvertAll(selectors, s => s with { Boundaries = null }), subscriber, ct).ConfigureAwait(true);
        return merge.Found;
    }

    private async Task<IEnumerable<string>> CandidatesAsync(SelectorSpec[] selectors, string? subscriber, CancellationToken ct)
    {
        var list = await ListAsync(subscriber, ct).ConfigureAwait(true);
        var services = new HashSet<string>(StringComparer.Ordinal);
        foreach (var selector in selectors)
        {
            var job = Array.Find(selector.Matchers, m => m is { Name: GrainKeys.JobLabel, Kind: MatchKind.Equal, Value.Length: > 0 });
            if (job is null) return list.Grains;
            services.Add(job.Value);
        }
        return list.Grains.Where((_, i) => services.Contains(list.Services[i]));
    }

    private async Task<GrainList> ListAsync(string? subscriber, CancellationToken ct)
    {
        var list = known;
        var newer = await ReachAsync(grains.GetGrain<IServiceIndexGrain>(IServiceIndexGrain.Key).ListAsync(list.Grains.Length, subscriber), ct).ConfigureAwait(true);
        return newer is null ? list : known = newer;
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

    /// <summary>How far a query has come, for the log of slow ones, which has those that failed too.</summary>
    private sealed class QueryRun
    {
        public TimeSpan Queued { get; set; }

        public long Samples { get; set; }
    }
}
