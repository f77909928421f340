using System.Buffers;
using System.Text;
using System.Text.Json;
using Vigil.Metrics.Api;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

public sealed class HistogramJsonTests
{
    private static readonly LabelSet Labels = LabelSet.Of(LabelSet.NameLabel, "h");

    [Theory]
    [InlineData("{{schema:0 count:10 sum:20.5 z_bucket:1 z_bucket_w:0.25 offset:-1 buckets:[2 0 3] n_buckets:[4]}}",
        """{"count":"10","sum":"20.5","buckets":[[1,"-1","-0.5","4"],[3,"-0.25","0.25","1"],[0,"0.25","0.5","2"],[0,"1","2","3"]]}""")]
    [InlineData("{{schema:-53 custom_values:[0.1 1] count:6 sum:1e30 buckets:[1 2 3]}}",
        """{"count":"6","sum":"1e+30","buckets":[[3,"-Inf","0.1","1"],[0,"0.1","1","2"],[0,"1","+Inf","3"]]}""")]
    [InlineData("{{schema:1 count:1 sum:NaN offset:1 buckets:[1]}}", """{"count":"1","sum":"NaN","buckets":[[0,"1","1.414213562373095","1"]]}""")]
    [InlineData("{{}}", """{"count":"0","sum":"0"}""")]
    public void Json_OfHistogram_IsThatOfPrometheus(string text, string json)
    {
        var histogram = HistogramText.Read(text);
        Assert.Equal($$$"""{"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1.500,{{{json}}}]}]}""",
            Write(new VectorValue(1500, [new(Labels, double.NaN) { Histogram = histogram }])));
        Assert.Equal($$$"""{"resultType":"matrix","result":[{"metric":{"__name__":"h"},"histograms":[[1,{{{json}}}]]}]}""",
            Write(new MatrixValue([new SeriesSamples(Labels, new long[] { 1000 }, new[] { double.NaN }) { Histograms = new[] { histogram } }])));
    }

    [Fact]
    public void Json_OfFloatsAndHistograms_HasBothApart()
    {
        var histogram = HistogramText.Read("{{count:1 sum:1}}");
        Assert.Equal(
            """{"resultType":"matrix","result":[{"metric":{"__name__":"h"},"values":[[1,"5"],[3,"6"]],"histograms":[[2,{"count":"1","sum":"1"}]]}]}""",
            Write(new MatrixValue([new SeriesSamples(Labels, new long[] { 1000, 2000, 3000 }, new[] { 5, double.NaN, 6 }) { Histograms = new[] { null, histogram, null } }])));
    }

    [Theory]
    [InlineData("foo[5m * step()] anchored offset (1m)",
        """{"type":"matrixSelector","range":0,"rangeExpr":{"type":"durationExpr","op":"*","lhs":{"type":"numberLiteral","val":"300"},"rhs":{"type":"durationExpr","op":"step","lhs":null,"rhs":null,"wrapped":false},"wrapped":false},"name":"foo","matchers":[{"name":"__name__","value":"foo","type":"="}],"offset":0,"offsetExpr":{"type":"durationExpr","op":"+","lhs":null,"rhs":{"type":"numberLiteral","val":"60"},"wrapped":true},"timestamp":null,"startOrEnd":null,"anchored":true,"smoothed":false}""")]
    [InlineData("a + fill_left(2) b",
        """{"type":"binaryExpr","op":"+","lhs":{"type":"vectorSelector","name":"a","matchers":[{"name":"__name__","value":"a","type":"="}],"offset":0,"offsetExpr":null,"timestamp":null,"startOrEnd":null,"anchored":false,"smoothed":false},"rhs":{"type":"vectorSelector","name":"b","matchers":[{"name":"__name__","value":"b","type":"="}],"offset":0,"offsetExpr":null,"timestamp":null,"startOrEnd":null,"anchored":false,"smoothed":false},"bool":false,"matching":{"card":"one-to-one","labels":[],"on":false,"include":[],"fillValues":{"lhs":2,"rhs":null}}}""")]
    public void Tree_OfWhatIsNewInPrometheus3_HasItsForm(string text, string json)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        Assert.Equal(json, Write(writer => PrometheusAst.Write(writer, expr)));
    }

    private static string Write(QueryValue value) => Write(json =>
    {
        foreach (var part in PrometheusValues.Parts(value)) part(json);
    });

    private static string Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, PrometheusJson.Options);
        write(json);
        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
