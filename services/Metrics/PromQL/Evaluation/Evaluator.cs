using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Evaluates a parsed expression over prefetched samples: pure and synchronous. Every node yields its value for all steps of
/// the grid at once, so that labels are handled once per series and not once per step.
/// </summary>
internal sealed class Evaluator
{
    private readonly ISeriesSource source;
    private readonly StepGrid query;
    private readonly CancellationToken cancellation;
    private readonly IReadOnlySet<VectorSelector> statisticsOnly;
    private long samplesRead;

    private Evaluator(string text, Expr expr, StepGrid query, ISeriesSource source, EvaluationOptions options, CancellationToken cancellation)
    {
        this.source = source;
        statisticsOnly = HistogramStatistics.Selectors(expr);
        this.query = query;
        this.cancellation = cancellation;
        Options = options;
        Annotations = new Annotations(text);
    }

    public EvaluationOptions Options { get; }

    public Annotations Annotations { get; }

    /// <summary>The moments of the whole query, which @ start() and range() refer to even inside a subquery.</summary>
    public StepGrid Query => query;

    /// <summary>The value at one moment.</summary>
    /// <param name="text">What was parsed; remarks name places in it.</param>
    /// <exception cref="EvaluationException">The expression has no value, or a limit was met.</exception>
    public static QueryResult Instant(string text, Expr expr, long timeMs, ISeriesSource source, EvaluationOptions options, CancellationToken cancellation = default)
    {
        var evaluator = new Evaluator(text, expr, new StepGrid(timeMs, 1, 1), source, options, cancellation);
        return evaluator.Result(evaluator.InstantValue(expr, timeMs));
    }

    /// <summary>The values at all moments of a grid, as a matrix sorted by labels. The expression must yield a scalar or a vector.</summary>
    /// <exception cref="EvaluationException">The expression has no value, or a limit was met.</exception>
    public static QueryResult Range(string text, Expr expr, StepGrid grid, ISeriesSource source, EvaluationOptions options, CancellationToken cancellation = default)
    {
        if (expr.Type is not (ExprType.Scalar or ExprType.InstantVector))
            throw new EvaluationException($"invalid expression type \"{expr.Type.Documented()}\" for range query, must be Scalar or instant Vector");
        var evaluator = new Evaluator(text, expr, grid, source, options, cancellation);
        var series = evaluator.Evaluate(expr, grid) switch
        {
            ScalarBlock scalar => [new BlockSeries(LabelSet.Empty, scalar.Values, false)],
            VectorBlock vector => WithoutDroppedNames(vector, grid.Steps).Series,
            _ => throw new InvalidOperationException("a scalar or a vector was checked for"),
        };
        var moments = new long[grid.Steps];
        for (var step = 0; step < moments.Length; step++) moments[step] = grid.TimeOf(step);
        var matrix = series.Select(s => ToSamples(s, moments)).ToArray();
        Array.Sort(matrix, static (a, b) => LabelOrder.Compare(a.Labels, b.Labels));
        return evaluator.Result(new MatrixValue(matrix));
    }

    public CancellationToken Cancellation => cancellation;

    /// <summary>The value of a node at all steps. Range vectors are no block: see <see cref="RangeOf"/>.</summary>
    public Block Evaluate(Expr expr, StepGrid grid)
    {
        cancellation.ThrowIfCancellationRequested();
        switch (expr)
        {
            case NumberLiteral number:
                return Constant(number.Value, grid);
            case StringLiteral text:
                return new TextBlock(text.Value);
            case ParenExpr paren:
                return Evaluate(paren.Inner, grid);
            case UnaryExpr unary:
                var operand = Evaluate(unary.Operand, grid);
                if (!unary.Negative) return operand;
                return operand is ScalarBlock scalar
                    ? new ScalarBlock(Array.ConvertAll(scalar.Values, static v => -v))
                    : Negate((VectorBlock)operand);
            case VectorSelector selector:
                return selector.Boundary == Boundary.Smoothed ? InstantSelection.Smoothed(this, selector, grid) : InstantSelection.Newest(this, selector, grid);
            case BinaryExpr binary:
                return BinaryOperations.Evaluate(this, binary, grid);
            case AggregateExpr aggregate:
                return Aggregations.Evaluate(this, aggregate, grid);
            case CallExpr call:
                return Calls.Evaluate(this, call, grid);
            default:
                throw new InvalidOperationException($"a {expr.Type.Documented()} is no argument here");
        }
    }

    public VectorBlock Vector(Expr expr, StepGrid grid) => (VectorBlock)Evaluate(expr, grid);

    public double[] Scalar(Expr expr, StepGrid grid) => ((ScalarBlock)Evaluate(expr, grid)).Values;

    public static ScalarBlock Constant(double value, StepGrid grid)
    {
        var values = new double[grid.Steps];
        values.AsSpan().Fill(value);
        return new(values);
    }

    /// <summary>The series that storage found for a selector.</summary>
    public IReadOnlyList<SeriesSamples> Fetch(VectorSelector selector)
    {
        var found = source.Select(selector);
        foreach (var series in found)
        {
            if (series.ResolutionMs > 0) Annotations.Info($"samples that old are kept only as rollups of up to {Durations.Format(series.ResolutionMs)}: values and the ends of windows are as exact as these", selector.Position);
        }
        return statisticsOnly.Contains(selector) ? found.Select(HistogramStatistics.Reduce).ToArray() : found;
    }

    /// <summary>The samples that a function over a range vector works on.</summary>
    public RangeInput RangeOf(Expr expr, StepGrid grid)
    {
        switch (expr.Unwrap())
        {
            case MatrixSelector matrix:
                var found = Fetch(matrix.Vector);
                var series = new RangeSeries[found.Count];
                for (var i = 0; i < series.Length; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Charge(found[i]);
                    series[i] = RangeSeries.From(found[i]);
                }
                return new(series, DurationArithmetic.Range(matrix, query), DurationArithmetic.Offset(matrix.Vector, query), AtTime(matrix.Vector.At),
                    matrix.Vector.Boundary, Options.LookbackMs)
                {
                    Windows = WindowsOf(matrix.Calendar, grid, AtTime(matrix.Vector.At), DurationArithmetic.Offset(matrix.Vector, query)),
                };
            case SubqueryExpr subquery:
                var pinned = AtTime(subquery.At);
                var offset = DurationArithmetic.Offset(subquery, query);
                var windows = WindowsOf(subquery.Calendar, grid, pinned, offset);
                // Of the calendar's windows the first reaches back farthest.
                var range = windows is null ? DurationArithmetic.Range(subquery, query) : windows.Length == 0 ? 1 : (pinned ?? grid.StartMs) - offset - windows[0].StartMs;
                var inner = SubqueryGrid(range, offset, DurationArithmetic.Step(subquery, query), pinned is { } at ? new StepGrid(at, grid.StepMs, 1) : grid);
                var block = Vector(subquery.Inner, inner);
                return new(block.Series.Select(s => RangeSeries.From(s, inner)).ToArray(), range, offset, pinned, Boundary.Plain, 0) { Windows = windows };
            default:
                throw new InvalidOperationException("a range vector was checked for");
        }
    }

    private TimeWindow[]? WindowsOf(CalendarRange? calendar, StepGrid grid, long? pinned, long offsetMs) =>
        calendar is null ? null : CalendarWindows.At(calendar, Options.Zone, pinned is { } at ? new StepGrid(at - offsetMs, 0, grid.Steps) : new StepGrid(grid.StartMs - offsetMs, grid.StepMs, grid.Steps));

    private void Charge(SeriesSamples samples)
    {
        Charge(samples.Count);
        if (samples.Histograms.IsEmpty) return;
        foreach (var histogram in samples.Histograms.Span) Charge(histogram is null ? 0 : histogram.SampleSize - 1);
    }

    /// <summary>Counts samples held for this query.</summary>
    /// <exception cref="EvaluationException">There are more than the limit.</exception>
    public void Charge(long samples)
    {
        // Series are looked at side by side.
        if (Interlocked.Add(ref samplesRead, samples) > Options.Limits.MaxSamples)
            throw new EvaluationException("query processing would load too many samples into memory in query execution");
    }

    public static int UpperBound(ReadOnlySpan<long> times, long time)
    {
        var (low, high) = (0, times.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (times[middle] <= time) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// <summary>The first place after <paramref name="time"/>, walking on from a place before it.</summary>
    public static int Advance(ReadOnlySpan<long> times, int from, long time)
    {
        while (from < times.Length && times[from] <= time) from++;
        return from;
    }

    /// <summary>The moment that an @ modifier pins evaluation to; null where there is none.</summary>
    public long? AtTime(AtModifier? at) => at?.TimeIn(query);

    /// <summary>A subquery is evaluated at the multiples of its step within all windows that the outer grid needs.</summary>
    private StepGrid SubqueryGrid(long rangeMs, long offsetMs, long? stepMs, StepGrid outer)
    {
        return GridWithin(rangeMs, offsetMs, stepMs ?? Options.DefaultSubqueryStepMs, outer, Options.Limits)
            ?? throw new EvaluationException($"a subquery would need more than {Options.Limits.MaxSteps} steps");
    }

    /// <summary>The moments of a subquery; null where there are more than the limit.</summary>
    public static StepGrid? GridWithin(long rangeMs, long offsetMs, long step, StepGrid outer, EvaluationLimits limits)
    {
        var before = outer.StartMs - offsetMs - rangeMs;
        var start = step * (before / step);
        if (start <= before) start += step;
        var end = outer.TimeOf(Math.Max(0, outer.Steps - 1)) - offsetMs;
        return end >= start && (end - start) / step >= limits.MaxSteps ? null : StepGrid.Range(start, end, step);
    }

    private static VectorBlock Negate(VectorBlock block) => new(block.Series.Select(s => new BlockSeries(s.Labels,
        Array.ConvertAll(s.Values, static v => Samples.IsAbsent(v) ? v : -v), DropName: true)
    {
        Histograms = s.Histograms is null ? null : Array.ConvertAll(s.Histograms, static h => h?.Multiply(-1)),
    }).ToArray());

    /// <summary>The samples of a series; those that have one at each of the moments share them.</summary>
    private static SeriesSamples ToSamples(BlockSeries series, long[] moments)
    {
        var count = 0;
        for (var step = 0; step < moments.Length; step++) count += series.Has(step) ? 1 : 0;
        if (count == moments.Length && series.Histograms is null) return new(series.Labels, moments, series.Values);
        var (times, values) = (new long[count], new double[count]);
        var histograms = series.Histograms is null ? null : new FloatHistogram?[count];
        for (int step = 0, at = 0; at < count; step++)
        {
            if (!series.Has(step)) continue;
            times[at] = moments[step];
            values[at] = series.Values[step];
            if (histograms is not null && (histograms[at] = series.Histograms![step]) is not null) values[at] = double.NaN;
            at++;
        }
        return new(series.Labels, times, values) { Histograms = histograms };
    }

    private QueryValue InstantValue(Expr expr, long timeMs)
    {
        if (expr.Type == ExprType.RangeVector) return Windows(RangeOf(expr, query));
        return Evaluate(expr, query) switch
        {
            ScalarBlock scalar => new ScalarValue(timeMs, scalar.Values[0]),
            TextBlock text => new TextValue(timeMs, text.Text),
            VectorBlock vector => new VectorValue(timeMs, WithoutDroppedNames(vector, 1).Series.Where(s => s.Has(0)).Select(s => s.At(0) is var sample && sample.Histogram is { } histogram
                ? new VectorElement(s.Labels, double.NaN) { Histogram = histogram }
                : new VectorElement(s.Labels, sample.Number)).ToArray()),
            _ => throw new InvalidOperationException("no such block"),
        };
    }

    private MatrixValue Windows(RangeInput input)
    {
        var builder = new List<SeriesSamples>();
        var (start, end) = (input.StartOf(query, 0), input.EndOf(query, 0));
        foreach (var series in input.Series)
        {
            var window = RangeWindows.Cut(series, start - input.BeforeMs, end + input.BehindMs);
            var samples = input.Boundary == Boundary.Plain ? window : ExtendedRanges.Extend(window, input.Boundary, start, end);
            if (samples.Count > 0) builder.Add(series.DropName ? samples with { Labels = LabelOrder.WithoutName(series.Labels) } : samples);
        }
        return new MatrixValue(builder);
    }

    private static VectorBlock WithoutDroppedNames(VectorBlock block, int steps)
    {
        if (!block.Series.Any(s => s.DropName)) return block;
        var builder = new BlockBuilder(steps);
        foreach (var series in block.Series)
            builder.Merge(series.DropName ? series with { Labels = LabelOrder.WithoutName(series.Labels), DropName = false } : series);
        return builder.Build();
    }

    private QueryResult Result(QueryValue value) => new(value, Annotations.Warnings, Annotations.Infos);
}
