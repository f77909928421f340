using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Vigil.Client;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil query EXPR</c>: one evaluation.</summary>
internal static class QueryCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var expression = new Argument<string>("expr") { Description = "PromQL, e.g. 'avg_over_time(host_cpu_usage_ratio[5m]) * 100'." };
        var at = new Option<string?>("--time") { Description = "The moment: RFC 3339 or Unix seconds. Default: now." };
        var command = new Command("query", "Evaluate a PromQL expression.") { expression, at };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            using var client = to.Open();
            var result = await client.QueryAsync(parsed.GetValue(expression)!, ParseTime(parsed.GetValue(at)), cancellationToken).ConfigureAwait(false);
            if (to.Json) PrintJson(result);
            else PrintTable(result);
            return ExitCode.Done;
        });
        return command;
    }

    internal static DateTimeOffset? ParseTime(string? text)
    {
        if (text is null) return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && Math.Abs(seconds) < 1e11)
            return DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000));
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
        throw new CliException(ExitCode.Usage, $"--time: '{text}' is neither RFC 3339 (2026-01-31T12:00:00Z) nor Unix seconds");
    }

    private static void PrintJson(QueryResult result)
    {
        var at = result.At.ToUnixTimeMilliseconds() / 1000.0;
        if (result.Scalar is { } scalar) Json.Print(new { at, scalar });
        else if (result.Text is { } text) Json.Print(new { at, text });
        else if (result.Matrix is { } matrix)
            Json.Print(new { at, matrix = matrix.Select(m => new { labels = Labels(m.Labels), points = m.Points.Select((_, i) => Point(m, i)) }) });
        else
            Json.Print(new { at, vector = result.Vector!.Select(Element) });
    }

    /// <summary>A value as JSON has it: beside the labels "value", or "histogram" where it is one.</summary>
    internal static object Element(SeriesValue value) => value.Histogram is { } histogram
        ? new { labels = Labels(value.Labels), histogram }
        : new { labels = Labels(value.Labels), value = value.Value };

    internal static object Point(SeriesRange series, int position)
    {
        var (time, value) = series.Points[position];
        var at = time.ToUnixTimeMilliseconds() / 1000.0;
        return series.Histograms.TryGetValue(position, out var histogram) ? new { at, histogram } : new { at, value };
    }

    private static Dictionary<string, string> Labels(IReadOnlyList<KeyValuePair<string, string>> labels) => labels.ToDictionary(l => l.Key, l => l.Value);

    private static void PrintTable(QueryResult result)
    {
        if (result.Scalar is { } scalar) AnsiConsole.WriteLine(SeriesText.Format(scalar));
        else if (result.Text is { } text) AnsiConsole.WriteLine(Terminal.Visible(text));
        else if (result.Matrix is { } matrix)
        {
            var table = Tables.New("Series", "Time (UTC)", "Value");
            foreach (var series in matrix)
                for (var i = 0; i < series.Points.Count; i++)
                    table.AddRow(Tables.Cell(series.Series), Tables.Cell(series.Points[i].At.ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture)), Tables.Cell(series.ValueText(i)));
            AnsiConsole.Write(table);
        }
        else if (result.Vector!.Count == 0) AnsiConsole.MarkupLine("[grey]no series[/]");
        else AnsiConsole.Write(Vector(result.Vector));
    }

    internal static Table Vector(IEnumerable<SeriesValue> values)
    {
        var table = Tables.New("Series", "Value");
        foreach (var value in values) table.AddRow(Tables.Cell(value.Series), Tables.Cell(value.ValueText));
        table.Columns[1].RightAligned();
        return table;
    }
}
