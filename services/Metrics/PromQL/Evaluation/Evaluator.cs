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
    private long samplesRead;

    private Evaluator(string text, StepGrid query, ISeriesSource source, EvaluationOptions options, CancellationToken cancellation)
    {
        this.source = source;
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
        var evaluator = new Evaluator(text, new StepGrid(timeMs, 1, 1), source, options, cancellation);
        return evaluator.Result(evaluator.InstantValue(expr, timeMs));
    }

    /// <summary>The values at all moments of a grid, as a matrix sorted by labels. The expression must yield a scalar or a vector.</summary>
    /// <exception cref="EvaluationException">The expression has no value, or a limit was met.</exception>
    public static QueryResult Range(string text, Expr expr, StepGrid grid, ISeriesSource source, EvaluationOptions options, CancellationToken cancellation = default)
    {
        if (expr.Type is not (ExprType.Scalar or ExprType.InstantVector))
            throw new EvaluationException($"invalid expression type \"{expr.Type.Documented()}\" for range query, must be Scalar or instant Vector");
        var evaluator = new Evaluator(text, grid, source, options, cancellation);
        var series = evaluator.Evaluate(expr, grid) switch
        {
            ScalarBlock scalar => [new BlockSeries(LabelSet.Empty, scalar.Values, false)],
            VectorBlock vector => WithoutDroppedNames(vector, grid.Steps).Series,
            _ => throw new InvalidOperationException("a scalar or a vector was checked for"),
        };
        var matrix = series.Select(s => Compact(s, grid)).Select(s => new SeriesSamples(s.Labels, s.Times, s.Values)).ToArray();
        Array.Sort(matrix, static (a, b) => LabelOrder.Compare(a.Labels, b.Labels));
        return evaluator.Result(new MatrixValue(matrix));
    }

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
                    : ((VectorBlock)operand).Map(static v => -v);
            case VectorSelector selector:
                return Select(selector, grid, timestamps: false);
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

    /// <summary>The newest sample of each series at each step, unless it is stale or older than the lookback.</summary>
    /// <param name="timestamps">Yield the samples' times, in seconds, in place of their values.</param>
    public VectorBlock Select(VectorSelector selector, StepGrid grid, bool timestamps)
    {
        var found = source.Select(selector);
        var result = new List<BlockSeries>(found.Count);
        var pinned = AtTime(selector.At);
        foreach (var series in found)
        {
            cancellation.ThrowIfCancellationRequested();
            var times = series.Times.Span;
            var values = series.Values.Span;
            var column = Samples.NoneOf(grid.Steps);
            var (next, any) = (-1, false);
            for (var step = 0; step < grid.Steps; step++)
            {
                var time = (pinned ?? grid.TimeOf(step)) - selector.OffsetMs;
                next = next < 0 ? UpperBound(times, time) : Advance(times, next, time);
                if (next == 0 || times[next - 1] <= time - Options.LookbackMs || Samples.IsStale(values[next - 1])) continue;
                column[step] = timestamps ? times[next - 1] / 1000d : values[next - 1];
                any = true;
            }
            if (!any) continue;
            Charge(grid.Steps);
            result.Add(new(series.Labels, column, timestamps));
        }
        return new(result);
    }

    /// <summary>The samples that a function over a range vector works on.</summary>
    public RangeInput RangeOf(Expr expr, StepGrid grid)
    {
        switch (expr.Unwrap())
        {
            case MatrixSelector matrix:
                var found = source.Select(matrix.Vector);
                var series = new RangeSeries[found.Count];
                for (var i = 0; i < series.Length; i++)
                {
                    Charge(found[i].Count);
                    series[i] = WithoutStale(found[i]);
                }
                return new(series, matrix.RangeMs, matrix.Vector.OffsetMs, AtTime(matrix.Vector.At));
            case SubqueryExpr subquery:
                var pinned = AtTime(subquery.At);
                var inner = SubqueryGrid(subquery, pinned is { } at ? new StepGrid(at, grid.StepMs, 1) : grid);
                var block = Vector(subquery.Inner, inner);
                return new(block.Series.Select(s => Compact(s, inner)).ToArray(), subquery.RangeMs, subquery.OffsetMs, pinned);
            default:
                throw new InvalidOperationException("a range vector was checked for");
        }
    }

    /// <summary>Counts samples held for this query.</summary>
    /// <exception cref="EvaluationException">There are more than the limit.</exception>
    public void Charge(long samples)
    {
        samplesRead += samples;
        if (samplesRead > Options.Limits.MaxSamples)
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

    private long? AtTime(AtModifier? at) => at?.Anchor switch
    {
        null => null,
        AtAnchor.Start => query.StartMs,
        AtAnchor.End => query.TimeOf(Math.Max(0, query.Steps - 1)),
        _ => at.TimeMs,
    };

    /// <summary>A subquery is evaluated at the multiples of its step within all windows that the outer grid needs.</summary>
    private StepGrid SubqueryGrid(SubqueryExpr subquery, StepGrid outer)
    {
        var step = subquery.StepMs ?? Options.DefaultSubqueryStepMs;
        var before = outer.StartMs - subquery.OffsetMs - subquery.RangeMs;
        var start = step * (before / step);
        if (start <= before) start += step;
        var end = outer.TimeOf(Math.Max(0, outer.Steps - 1)) - subquery.OffsetMs;
        if (end >= start && (end - start) / step >= Options.Limits.MaxSteps)
            throw new EvaluationException($"a subquery would need more than {Options.Limits.MaxSteps} steps");
        return StepGrid.Range(start, end, step);
    }

    private static RangeSeries WithoutStale(SeriesSamples samples)
    {
        var values = samples.Values.Span;
        var stale = 0;
        foreach (var value in values) stale += Samples.IsStale(value) ? 1 : 0;
        if (stale == 0) return new(samples.Labels, samples.Times, samples.Values, false);
        var times = samples.Times.Span;
        var (keptTimes, keptValues) = (new long[values.Length - stale], new double[values.Length - stale]);
        var kept = 0;
        for (var i = 0; i < values.Length; i++)
        {
            if (Samples.IsStale(values[i])) continue;
            (keptTimes[kept], keptValues[kept++]) = (times[i], values[i]);
        }
        return new(samples.Labels, keptTimes, keptValues, false);
    }

    private static RangeSeries Compact(BlockSeries series, StepGrid grid)
    {
        var (times, values) = (new List<long>(grid.Steps), new List<double>(grid.Steps));
        for (var step = 0; step < grid.Steps; step++)
        {
            if (Samples.IsAbsent(series.Values[step])) continue;
            times.Add(grid.TimeOf(step));
            values.Add(series.Values[step]);
        }
        return new(series.Labels, times.ToArray(), values.ToArray(), series.DropName);
    }

    private QueryValue InstantValue(Expr expr, long timeMs)
    {
        if (expr.Type == ExprType.RangeVector) return Windows(RangeOf(expr, query));
        return Evaluate(expr, query) switch
        {
            ScalarBlock scalar => new ScalarValue(timeMs, scalar.Values[0]),
            TextBlock text => new TextValue(timeMs, text.Text),
            VectorBlock vector => new VectorValue(timeMs, WithoutDroppedNames(vector, 1).Series
                .Where(s => !Samples.IsAbsent(s.Values[0])).Select(s => new VectorElement(s.Labels, s.Values[0])).ToArray()),
            _ => throw new InvalidOperationException("no such block"),
        };
    }

    private MatrixValue Windows(RangeInput input)
    {
        var builder = new List<SeriesSamples>();
        foreach (var series in input.Series)
        {
            var (from, to) = input.Bounds(series, query, 0);
            if (to > from) builder.Add(new(series.DropName ? LabelOrder.WithoutName(series.Labels) : series.Labels, series.Times[from..to], series.Values[from..to]));
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
