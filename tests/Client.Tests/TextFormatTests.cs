using Vigil.Cli;
using Vigil.Metrics.V1;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class TextFormatTests
{
    [Theory]
    [InlineData("up 1", "up", "", 1)]
    [InlineData("orders_total{job=\"shop\",path=\"/a\"} 42", "orders_total", "job=shop;path=/a", 42)]
    [InlineData("x{a=\"q\\\"b\\\\c\\nd\",} -Inf", "x", "a=q\"b\\c\nd", double.NegativeInfinity)]
    [InlineData("  x { a = \"1\" , b=\"2\" }  1.5e3 ", "x", "a=1;b=2", 1500)]
    [InlineData("x NaN", "x", "", double.NaN)]
    public void Parse_SampleLine_IsRead(string line, string name, string labels, double value)
    {
        var sample = TextFormat.Parse(line);
        Assert.NotNull(sample);
        Assert.Equal(name, sample.Name);
        Assert.Equal(labels, string.Join(";", sample.Labels.Select(l => $"{l.Key}={l.Value}")));
        Assert.Equal(value, sample.Value);
        Assert.Null(sample.At);
    }

    [Fact]
    public void Parse_WithTime_IsInMilliseconds() =>
        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123), TextFormat.Parse("x 1 1700000000123")!.At);

    [Theory]
    [InlineData("")]
    [InlineData("# HELP x y")]
    [InlineData("x")]
    [InlineData("1x 1")]
    [InlineData("x{ 1")]
    [InlineData("x{a} 1")]
    [InlineData("x{a=\"1} 1")]
    [InlineData("x{a=\"1\" b=\"2\"} 1")]
    [InlineData("x{a=\"1\"}")]
    [InlineData("x{a=\"1\",a=\"2\"} 1")]
    [InlineData("x one")]
    [InlineData("x 1 soon")]
    [InlineData("x 1 9223372036854775807")]
    public void Parse_AnythingElse_IsNull(string line) => Assert.Null(TextFormat.Parse(line));

    [Fact]
    public void TypeLine_GivesTheKind()
    {
        Assert.Equal(("x_total", SeriesKind.Counter), TextFormat.TypeLine("# TYPE x_total counter"));
        Assert.Equal(("x", SeriesKind.Gauge), TextFormat.TypeLine("# TYPE x gauge"));
        Assert.Null(TextFormat.TypeLine("x 1"));
    }

    [Fact]
    public void Parse_Mutations_NeverThrow()
    {
        var random = new Random(11);
        const string Seed = "orders_total{job=\"shop\",path=\"/a\\n\"} 42.5 1700000000123";
        for (var i = 0; i < 5000; i++)
        {
            var line = Seed.ToCharArray();
            for (var n = random.Next(1, 6); n > 0; n--) line[random.Next(line.Length)] = (char)random.Next(32, 127);
            TextFormat.Parse(new string(line)[random.Next(5)..random.Next(10, Seed.Length)]);
        }
    }
}
