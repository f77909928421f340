using System.Globalization;
using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// Runs scripts in the language of Prometheus' promqltest: load, clear, eval instant, eval range, with expectations on values,
/// order, failures and annotations. Cases that touch native histograms or start timestamps are counted and passed over.
/// </summary>
internal sealed partial class ScriptRunner
{
    private readonly Dictionary<LabelSet, SortedDictionary<long, double>> storage = [];

    // Series that this engine cannot hold yet; a case that selects one is not judged.
    private readonly HashSet<LabelSet> unsupported = [];

    public int Passed { get; private set; }

    public int PassedOver { get; private set; }

    public List<string> Failures { get; } = [];

    public static ScriptRunner Run(string script)
    {
        var runner = new ScriptRunner();
        var lines = script.ReplaceLineEndings("\n").Split('\n').Select(l => l.Trim()).Select(l => l.StartsWith('#') ? "" : l).ToArray();
        for (var i = 0; i < lines.Length;)
        {
            var line = lines[i];
            var body = lines.Skip(i + 1).TakeWhile(l => l.Length > 0).ToArray();
            if (line.Length == 0 || line == "clear")
            {
                if (line == "clear") runner.Clear();
                i++;
                continue;
            }
            if (line.StartsWith("load", StringComparison.Ordinal)) runner.Load(line, body);
            else runner.Eval(line, body, i + 1);
            i += 1 + body.Length;
        }
        return runner;
    }

    private void Clear()
    {
        storage.Clear();
        unsupported.Clear();
    }

    private void Load(string line, string[] body)
    {
        var step = Duration(line[(line.IndexOf(' ') + 1)..].Trim());
        foreach (var definition in body)
        {
            var (labels, values) = Series(definition);
            if (line.StartsWith("load_with_nhcb", StringComparison.Ordinal))
                unsupported.Add(labels.Without("le").With(LabelSet.NameLabel, HistogramSuffix().Replace(labels.Name, "")));
            if (values is null)
            {
                unsupported.Add(labels);
                continue;
            }
            if (!storage.TryGetValue(labels, out var samples)) storage.Add(labels, samples = []);
            for (var i = 0; i < values.Count; i++)
            {
                if (values[i] is { } value) samples[i * step] = value;
            }
        }
    }

    private void Eval(string line, string[] body, int number)
    {
        var instant = InstantLine().Match(line);
        var range = RangeLine().Match(line);
        var match = instant.Success ? instant : range;
        if (!match.Success) throw new FormatException($"line {number}: {line}");
        var expression = match.Groups["expr"].Value;
        var expected = new Expectation(match.Groups["mode"].Value);
        foreach (var item in body) expected.Add(item);
        try
        {
            if (!PromQlParser.TryParse(expression, out var expr, out var error))
            {
                if (!expected.Fails) Failures.Add($"{number}: {expression}: {error}");
                else Passed++;
                return;
            }
            if (expected.HasHistograms || Selects(expr))
            {
                PassedOver++;
                return;
            }
            var problem = instant.Success
                ? JudgeInstant(expression, expr, Duration(match.Groups["at"].Value), expected)
                : Judge(expected, () => Evaluator.Range(expression, expr, Grid(match.Groups["from"], match.Groups["to"], match.Groups["step"]),
                    Source(expr), new EvaluationOptions()), Grid(match.Groups["from"], match.Groups["to"], match.Groups["step"]));
            if (problem is null) Passed++;
            else Failures.Add($"{number}: {expression}: {problem}");
        }
        catch (Exception e) when (e is not FormatException)
        {
            Failures.Add($"{number}: {expression}: {e}");
        }
    }

    private string? JudgeInstant(string expression, Expr expr, long at, Expectation expected)
    {
        var problem = Judge(expected, () => Evaluator.Instant(expression, expr, at, Source(expr), new EvaluationOptions()),
            expected.Range ?? new StepGrid(at, 1, 1));
        if (problem is not null || expected.Fails || expected.Ordered || expr.Type is not (ExprType.Scalar or ExprType.InstantVector)
            || ContextFunction().IsMatch(expression)) return problem;
        // The same must come out at the middle step of a range query.
        var grid = new StepGrid(at - 60_000, 60_000, 3);
        var result = Evaluator.Range(expression, expr, grid, Source(expr, grid), new EvaluationOptions());
        var middle = ((MatrixValue)result.Value).Series
            .Select(s => (s.Labels, Place: s.Times.Span.IndexOf(at), s.Values)).Where(s => s.Place >= 0)
            .Select(s => new VectorElement(s.Labels, s.Values.Span[s.Place])).ToArray();
        problem = expected.CompareVector(middle, expr.Type == ExprType.Scalar);
        return problem is null ? JudgePinned(expression, expr, at, expected) : $"in range mode: {problem}";
    }

    /// <summary>With every selector pinned to the moment by @, the same must come out whenever it is evaluated.</summary>
    private string? JudgePinned(string expression, Expr expr, long at, Expectation expected)
    {
        if (!Pinning.TryPin(expr, at, out var pinned)) return null;
        // Read again: proves that what the formatter writes means the same.
        var text = Formatter.Format(pinned);
        if (!PromQlParser.TryParse(text, out var read, out var error)) return $"{text}: {error}";
        foreach (var time in (long[])[-10 * at, 0, at / 5, at, 10 * at, -1000, 1000])
        {
            var result = Evaluator.Instant(text, read, time, Source(read, new StepGrid(time, 1, 1)), new EvaluationOptions());
            var problem = result.Value switch
            {
                ScalarValue scalar => expected.CompareVector([new(LabelSet.Empty, scalar.Value)], true),
                VectorValue vector => expected.CompareVector(vector.Elements, false),
                _ => "no vector",
            };
            if (problem is not null) return $"{text} at {time}: {problem}";
        }
        return null;
    }

    private static string? Judge(Expectation expected, Func<QueryResult> evaluate, StepGrid grid)
    {
        QueryResult result;
        try
        {
            result = evaluate();
        }
        catch (EvaluationException e)
        {
            return expected.Fails ? expected.CompareFailure(e.Message) : $"failed: {e.Message}";
        }
        if (expected.Fails) return "did not fail";
        return expected.CompareAnnotations(result) ?? result.Value switch
        {
            ScalarValue scalar => expected.CompareVector([new(LabelSet.Empty, scalar.Value)], true),
            TextValue text => text.Text == expected.Text ? null : $"text {text.Text}",
            VectorValue vector => expected.CompareVector(vector.Elements, false),
            MatrixValue matrix => expected.CompareMatrix(matrix, grid),
            _ => "no such value",
        };
    }

    private bool Selects(Expr expr) => SelectorCollector.Collect(expr, new StepGrid(0, 1, 1), new EvaluationOptions())
        .Any(s => unsupported.Any(labels => LabelMatcher.AllMatch(s.Selector.Matchers, labels)));

    private PrefetchedSeries Source(Expr expr, StepGrid? grid = null)
    {
        var source = new PrefetchedSeries();
        foreach (var (selector, range) in SelectorCollector.Collect(expr, grid ?? new StepGrid(0, 1, 1), new EvaluationOptions()))
        {
            source.Add(selector, storage.Where(s => LabelMatcher.AllMatch(selector.Matchers, s.Key)).Select(s =>
            {
                // With a grid, only what the collector asks for: proves that it asks for enough.
                var samples = s.Value.Where(v => grid is null || (v.Key > range.FromMs && v.Key <= range.ToMs)).ToArray();
                return new SeriesSamples(s.Key, samples.Select(v => v.Key).ToArray(), samples.Select(v => v.Value).ToArray());
            }));
        }
        return source;
    }

    private static StepGrid Grid(Group from, Group to, Group step) => StepGrid.Range(Duration(from.Value), Duration(to.Value), Duration(step.Value));

    private static long Duration(string text) =>
        Durations.TryParse(text, out var milliseconds) is { } error ? throw new FormatException(error) : milliseconds;

    /// <summary>Labels, and one value per step (null: none); no values at all where they are of a kind that is not held yet.</summary>
    internal static (LabelSet Labels, List<double?>? Values) Series(string line)
    {
        var end = 0;
        char quote = '\0';
        for (var depth = 0; end < line.Length && (depth > 0 || quote != '\0' || !char.IsWhiteSpace(line[end])); end++)
        {
            var c = line[end];
            if (quote != '\0')
            {
                if (c == '\\' && quote != '`') end++;
                else if (c == quote) quote = '\0';
            }
            else if (c is '"' or '\'' or '`') quote = c;
            else if (c == '{') depth++;
            else if (c == '}') depth--;
        }
        var metric = line[..end];
        var labels = LabelSet.Empty;
        if (metric is not ("{}" or ""))
        {
            if (metric.EndsWith("@st", StringComparison.Ordinal)) return (Series(metric[..^3]).Labels, null);
            // An all-empty label set is no selector, so another label keeps the type check quiet.
            if (!PromQlParser.TryParseSelector(metric, out var selector, out var error)) throw new FormatException($"{line}: {error}");
            labels = LabelSet.Create(selector.Matchers.Select(m => new Label(m.Name, m.Value)));
        }
        var rest = line[end..];
        if (rest.Contains("{{", StringComparison.Ordinal)) return (labels, null);
        var values = new List<double?>();
        foreach (var item in rest.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)) Expand(item, values);
        return (labels, values);
    }

    private static void Expand(string item, List<double?> values)
    {
        if (item == "stale")
        {
            values.Add(Samples.Stale);
            return;
        }
        var match = Item().Match(item);
        if (!match.Success) throw new FormatException($"bad series item {item}");
        var repeat = match.Groups["times"].Success ? int.Parse(match.Groups["times"].Value, CultureInfo.InvariantCulture) : 0;
        if (match.Groups["blank"].Success)
        {
            for (var i = 0; i < Math.Max(1, repeat); i++) values.Add(null);
            return;
        }
        NumberText.TryParse(match.Groups["start"].Value, out var value);
        NumberText.TryParse(match.Groups["delta"].Value, out var delta);
        for (var i = 0; i <= repeat; i++)
        {
            values.Add(value);
            value += delta;
        }
    }

    private const string Number = @"[+-]?(?:inf|nan|[0-9.]+(?:e[+-]?[0-9]+)?)";

    [GeneratedRegex(@"^(?:(?<blank>_)|(?<start>" + Number + @")(?<delta>[+-](?:inf|nan|[0-9.]+(?:e[+-]?[0-9]+)?))?)(?:x(?<times>[0-9]+))?$", RegexOptions.IgnoreCase)]
    private static partial Regex Item();

    [GeneratedRegex(@"^eval(?:_(?<mode>fail|warn|ordered|info))?\s+instant\s+(?:at\s+(?<at>.+?))?\s+(?<expr>.+)$")]
    private static partial Regex InstantLine();

    [GeneratedRegex(@"^eval(?:_(?<mode>fail|warn|info))?\s+range\s+from\s+(?<from>.+)\s+to\s+(?<to>.+)\s+step\s+(?<step>.+?)\s+(?<expr>.+)$")]
    private static partial Regex RangeLine();

    [GeneratedRegex(@"\b(?:range|step|start|end)\s*\(")]
    private static partial Regex ContextFunction();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex HistogramSuffix();
}
