using System.Text.Json;
using Spectre.Console;
using Vigil.Cli.Commands;
using Xunit;

namespace Vigil.Client.Tests;

/// <summary>How vigil query and vigil watch show native histograms.</summary>
public sealed class HistogramOutputTests
{
    private static readonly SeriesValue Value = new([KeyValuePair.Create("__name__", "h"), KeyValuePair.Create("job", "x")], double.NaN)
    {
        Histogram = new NativeHistogram(3, 8.5,
        [
            new NativeHistogramBucket(double.NegativeInfinity, -1, false, false, 0.5),
            new NativeHistogramBucket(-1, 1, true, true, 1),
            new NativeHistogramBucket(1, double.PositiveInfinity, false, true, 1.5),
        ]),
    };

    [Fact]
    public void Table_OfAHistogram_ShowsCountSumAndBuckets()
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = 200;
        console.Write(QueryCommand.Vector([Value]));
        Assert.Contains("h{job=\"x\"} ", text.ToString());
        Assert.Contains(" {count:3, sum:8.5, (-Inf,-1):0.5, [-1,1]:1, (1,+Inf]:1.5}", text.ToString());
    }

    [Fact]
    public void Json_OfAHistogram_HasItInPlaceOfTheValue()
    {
        var json = JsonDocument.Parse(Cli.Json.Text(new { vector = new[] { QueryCommand.Element(Value), QueryCommand.Element(new SeriesValue([], 2)) } })).RootElement.GetProperty("vector");
        Assert.False(json[0].TryGetProperty("value", out _));
        var histogram = json[0].GetProperty("histogram");
        Assert.Equal((3, 8.5), (histogram.GetProperty("count").GetDouble(), histogram.GetProperty("sum").GetDouble()));
        Assert.Equal("""{"lower":"-Infinity","upper":-1,"lowerInclusive":false,"upperInclusive":false,"count":0.5}""", histogram.GetProperty("buckets")[0].GetRawText());
        Assert.Equal("""{"labels":{},"value":2}""", json[1].GetRawText());
    }

    [Fact]
    public void Json_OfARange_HasHistogramsAmongItsPoints()
    {
        var at = DateTimeOffset.FromUnixTimeSeconds(1);
        var range = new SeriesRange([], [(at, 1), (at.AddSeconds(1), double.NaN)]) { Histograms = new Dictionary<int, NativeHistogram> { [1] = Value.Histogram! } };
        Assert.Equal("""{"at":1,"value":1}""", Cli.Json.Text(QueryCommand.Point(range, 0)));
        Assert.StartsWith("""{"at":2,"histogram":{"count":3,"sum":8.5,"buckets":[""", Cli.Json.Text(QueryCommand.Point(range, 1)));
    }
}
