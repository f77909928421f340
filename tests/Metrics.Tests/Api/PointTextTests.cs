using System.Text;
using System.Text.Json;
using Vigil.Metrics.Api;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

public sealed class PointTextTests
{
    [Theory]
    [InlineData(0, 0.0, """[0,"0"]""")]
    [InlineData(1_700_000_000_000, -0.0, """[1700000000,"-0"]""")]
    [InlineData(1_700_000_000_005, 12.5, """[1700000000.005,"12.5"]""")]
    [InlineData(-1_500, 1e15, """[-1.500,"1000000000000000"]""")]
    [InlineData(long.MinValue, double.NaN, """[-9223372036854775.808,"NaN"]""")]
    [InlineData(long.MaxValue, double.NegativeInfinity, """[9223372036854775.807,"-Inf"]""")]
    [InlineData(1, 1e21, """[0.001,"1e+21"]""")]
    [InlineData(10, 9.999e20, """[0.010,"999900000000000000000"]""")]
    [InlineData(100, 0.00001, """[0.100,"0.00001"]""")]
    [InlineData(999, 1.5e-7, """[0.999,"1.5e-07"]""")]
    public void Point_OfAnyKind_IsWrittenAsPrometheusDoes(long timeMs, double value, string expected)
    {
        Span<byte> text = stackalloc byte[PointText.MaxBytes];
        Assert.Equal(expected, Encoding.ASCII.GetString(text[..PointText.Write(text, timeMs, value)]));
    }

    [Fact]
    public void Value_OfRandomBitsAndDecimals_IsTheTextOfGo()
    {
        var random = new Random(7);
        Span<byte> text = stackalloc byte[PointText.MaxBytes];
        for (var i = 0; i < 50_000; i++)
        {
            var value = (i % 4) switch
            {
                0 => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)),
                1 => Math.Round(random.NextDouble() * 1000, random.Next(6)),
                2 => random.NextInt64(-1L << 60, 1L << 60) / (double)(1 << random.Next(30)),
                _ => Math.Pow(10, random.Next(-30, 30)) * (random.NextDouble() - 0.5),
            };
            Assert.Equal(GoText.FloatJson(value), Encoding.ASCII.GetString(text[..PointText.WriteValue(text, value)]));
        }
    }

    [Fact]
    public void Series_OfMorePointsThanAreWrittenAtOnce_IsOneArray()
    {
        long[] times = [.. Enumerable.Range(0, 1_000).Select(i => i * 1_000L)];
        double[] values = [.. times.Select(t => t / 3e3)];
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, PrometheusJson.Options))
        {
            foreach (var part in PrometheusValues.Parts(new MatrixValue([new SeriesSamples(LabelSet.Of("a", "b"), times, values), new SeriesSamples(LabelSet.Of("a", "c"), times, values)]))) part(json);
        }
        using var read = JsonDocument.Parse(buffer.WrittenMemory);
        var result = read.RootElement.GetProperty("result");
        Assert.Equal(2, result.GetArrayLength());
        foreach (var series in result.EnumerateArray())
        {
            Assert.Equal(times.Select(t => t / 1e3), series.GetProperty("values").EnumerateArray().Select(p => p[0].GetDouble()));
            Assert.Equal(values, series.GetProperty("values").EnumerateArray().Select(p => double.Parse(p[1].GetString()!, System.Globalization.CultureInfo.InvariantCulture)));
        }
    }
}
