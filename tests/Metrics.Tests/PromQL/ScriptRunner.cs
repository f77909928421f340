using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// Runs scripts in the language of Prometheus' promqltest: load, clear, eval instant, eval range, with expectations on values,
/// order, failures and annotations.
/// </summary>
internal sealed partial class ScriptRunner
{
    private readonly ScriptStorage storage = new();

    public int Passed { get; private set; }

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
                if (line == "clear") runner.storage.Clear();
                i++;
                continue;
            }
            if (line.StartsWith("load", StringComparison.Ordinal))
                runner.storage.Load(Duration(line[(line.IndexOf(' ') + 1)..].Trim()), body, line.StartsWith("load_with_nhcb", StringComparison.Ordinal));
            else
                runner.Eval(line, body, i + 1);
            i += 1 + body.Length;
        }
        return runner;
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
            var problem = instant.Success
                ? JudgeInstant(expression, expr, Duration(match.Groups["at"].Value), expected)
                : JudgeRange(expression, expr, Grid(match.Groups["from"], match.Groups["to"], match.Groups["step"]), expected);
            if (problem is null) Passed++;
            else Failures.Add($"{number}: {expression}: {problem}");
        }
        catch (Exception e) when (e is not FormatException)
        {
            Failures.Add($"{number}: {expression}: {e}");
        }
    }

    private string? JudgeRange(string expression, Expr expr, StepGrid grid, Expectation expected) =>
        Judge(expected, () => Evaluator.Range(expression, expr, grid, storage.Source(expr, grid, onlyWhatIsAskedFor: true), new EvaluationOptions()), grid);

    private string? JudgeInstant(string expression, Expr expr, long at, Expectation expected)
    {
        if (JudgeAt(expression, expr, at, expected) is { } problem) return problem;
        // With every selector pinned to the moment by @, the same must come out whenever it is evaluated.
        if (!Pinning.TryPin(expr, at, out var pinned)) return null;
        // Read again: proves that what the formatter writes means the same.
        var text = Formatter.Format(pinned);
        if (!PromQlParser.TryParse(text, out var read, out var error)) return $"{text}: {error}";
        foreach (var time in at == 0 ? (long[])[-1000, 0, 1000] : [-10 * at, 0, at / 5, at, 10 * at])
        {
            problem = JudgeAt(text, read, time, expected);
            if (problem is not null) return $"{text} at {time}: {problem}";
        }
        return null;
    }

    private string? JudgeAt(string text, Expr expr, long at, Expectation expected)
    {
        var moment = new StepGrid(at, 1, 1);
        var problem = Judge(expected, () => Evaluator.Instant(text, expr, at, storage.Source(expr, moment, onlyWhatIsAskedFor: true), new EvaluationOptions()),
            expected.Range ?? moment);
        if (problem is not null || expected.Fails || expected.Ordered || expected.Range is not null || expected.Text is not null || ContextFunction().IsMatch(text)) return problem;
        // The same must come out at the middle step of a range query.
        var grid = StepGrid.Range(at - 60_000, at + 60_000, 60_000);
        var result = Evaluator.Range(text, expr, grid, storage.Source(expr, grid, onlyWhatIsAskedFor: true), new EvaluationOptions());
        var middle = ((MatrixValue)result.Value).Series
            .Select(s => (s.Labels, Place: s.Times.Span.IndexOf(at), s.Values, s.Histograms)).Where(s => s.Place >= 0)
            .Select(s => new VectorElement(s.Labels, s.Values.Span[s.Place]) { Histogram = s.Histograms.IsEmpty ? null : s.Histograms.Span[s.Place] }).ToArray();
        problem = expected.CompareVector(middle, expr.Type == ExprType.Scalar);
        return problem is null ? null : $"in range mode: {problem}";
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

    private static StepGrid Grid(Group from, Group to, Group step) => StepGrid.Range(Duration(from.Value), Duration(to.Value), Duration(step.Value));

    private static long Duration(string text) =>
        Durations.TryParse(text, out var milliseconds) is { } error ? throw new FormatException(error) : milliseconds;

    [GeneratedRegex(@"^eval(?:_(?<mode>fail|warn|ordered|info))?\s+instant\s+(?:at\s+(?<at>.+?))?\s+(?<expr>.+)$")]
    private static partial Regex InstantLine();

    [GeneratedRegex(@"^eval(?:_(?<mode>fail|warn|info))?\s+range\s+from\s+(?<from>.+)\s+to\s+(?<to>.+)\s+step\s+(?<step>.+?)\s+(?<expr>.+)$")]
    private static partial Regex RangeLine();

    [GeneratedRegex(@"(?:range|step|start|end)\(\)")]
    private static partial Regex ContextFunction();
}
