using System.Globalization;
using System.Text;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

public sealed class ExpositionTests
{
    private const string Text = """
        # HELP http_requests_total The total number of "HTTP" requests.\nSecond line \\ here.
        # TYPE http_requests_total counter
        http_requests_total{method="post",code="200"} 1027 1395066363000
        http_requests_total{method="post",code="400"}    3 1395066363000

        # Escaping in label values:
        msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
        metric_without_timestamp_and_labels 12.47
        something_weird{problem="division by zero"} +Inf -3982045
        	 spaced { a = "b" , c="d", }	4
        #TYPE nothing at all
        x{a="}"}7
        nan_value NaN
        """;

    private const string OpenMetrics = """
        # TYPE acme_http_router_request_seconds summary
        # UNIT acme_http_router_request_seconds seconds
        # HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
        acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32
        acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 807283.0 1605281325.5
        acme_http_router_request_seconds_created{path="/api/v1",method="GET"} 1605281325.0
        # TYPE foo histogram
        foo_bucket{le="0.1"} 8.0 # {} 0.054
        foo_bucket{le="1"} 10 123 # {id="a b",x="}"} 9.8 1520879607.789
        foo_bucket{le="+Inf"} 17
        # EOF

        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Names_InQuotes_AreReadInBothFormats(bool openMetrics)
    {
        var (entries, error) = Read("""
            # HELP "http.status" Of \"what\" it was.
            # TYPE "http.status" gauge
            {"http.status","http.route"="/a",job="b"} 1
            {job="b","http.status"} 2
            plain{"http.route"="}"} 3
            {"a \"b\" \\ ü"} 4
            # EOF

            """, openMetrics);
        Assert.Null(error);
        Assert.Equal(
        [
            "help http.status Of \"what\" it was.",
            "type http.status gauge",
            "{\"http.status\",\"http.route\"=\"/a\",job=\"b\"} 1",
            "{\"http.status\",job=\"b\"} 2",
            "plain{\"http.route\"=\"}\"} 3",
            "{\"a \\\"b\\\" \\\\ ü\"} 4",
        ], entries);
    }

    [Theory]
    [InlineData("{job=\"b\"} 1\n", "line 1: a metric name is expected")]
    [InlineData("{\"\"} 1\n", "line 1: a label name is expected")]
    [InlineData("{\"a\",\"b\"} 1\n", "line 1: the label __name__ is given twice")]
    [InlineData("m{\"a\"} 1\n", "line 1: the label __name__ is given twice")]
    [InlineData("{\"a} 1\n", "line 1: the labels do not end")]
    [InlineData("# TYPE \"a gauge\n", "line 1: a metric name is missing")]
    public void Names_InQuotesThatAreNone_EndTheReading(string text, string expected) => Assert.Equal(expected, Read(text, false).Error);

    [Fact]
    public void Text_TheFormatsOwnExample_IsReadWhole()
    {
        var (entries, error) = Read(Text, false);
        Assert.Null(error);
        Assert.Equal(
        [
            "help http_requests_total The total number of \"HTTP\" requests.\nSecond line \\ here.",
            "type http_requests_total counter",
            "http_requests_total{code=\"200\",method=\"post\"} 1027 @1395066363000",
            "http_requests_total{code=\"400\",method=\"post\"} 3 @1395066363000",
            "msdos_file_access_time_seconds{error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\",path=\"C:\\\\DIR\\\\FILE.TXT\"} 1458255915",
            "metric_without_timestamp_and_labels 12.47",
            "something_weird{problem=\"division by zero\"} Infinity @-3982045",
            "spaced{a=\"b\",c=\"d\"} 4",
            "x{a=\"}\"} 7",
            "nan_value NaN",
        ], entries);
    }

    [Fact]
    public void OpenMetrics_WithExemplarsUnitsAndCreated_IsReadWhole()
    {
        var (entries, error) = Read(OpenMetrics, true);
        Assert.Null(error);
        Assert.Equal(
        [
            "type acme_http_router_request_seconds summary",
            "unit acme_http_router_request_seconds seconds",
            "help acme_http_router_request_seconds Latency though all of ACME's HTTP request router.",
            "acme_http_router_request_seconds_sum{method=\"GET\",path=\"/api/v1\"} 9036.32",
            "acme_http_router_request_seconds_count{method=\"GET\",path=\"/api/v1\"} 807283 @1605281325500",
            "acme_http_router_request_seconds_created{method=\"GET\",path=\"/api/v1\"} 1605281325",
            "type foo histogram",
            "foo_bucket{le=\"0.1\"} 8",
            "foo_bucket{le=\"1\"} 10 @123000",
            "foo_bucket{le=\"+Inf\"} 17",
        ], entries);
    }

    [Theory]
    [InlineData("a\n", "line 1: a value is expected")]
    [InlineData("a 1\n{b=\"c\"} 1\n", "line 2: a metric name is expected")]
    [InlineData("a{b=\"c\" 1\n", "line 1: the labels do not end")]
    [InlineData("a{b='c'} 1\n", "line 1: a label value in quotation marks is expected")]
    [InlineData("a{b=\"c\",b=\"d\"} 1\n", "line 1: the label b is given twice")]
    [InlineData("a{=\"c\"} 1\n", "line 1: a label name is expected")]
    [InlineData("a{b=\"c\"\"d\"} 1\n", "line 1: a comma or } is expected after a label")]
    [InlineData("a 0x1p-2\n", "line 1: \"0x1p-2\" is no value")]
    [InlineData("a 1_000\n", "line 1: \"1_000\" is no value")]
    [InlineData("a 1e999\n", "line 1: \"1e999\" is no value")]
    [InlineData("a 1\r\n", "line 1: \"1\r\" is no value")]
    [InlineData("a 1 1.5\n", "line 1: \"1.5\" is no time in milliseconds")]
    [InlineData("a 1 2 3\n", "line 1: something follows the time")]
    [InlineData("# TYPE a wrong\n", "line 1: \"wrong\" is no metric type")]
    public void Text_ThatIsNone_IsRefusedWithLineAndReason(string text, string reason) => Assert.Equal(reason, Read(text, false).Error);

    [Theory]
    [InlineData("a 1\n", "line 1: the body does not end with # EOF")]
    [InlineData("a 1\n# EOF\nb 2\n", "line 3: something follows # EOF")]
    [InlineData("a  1\n# EOF\n", "line 1: \"\" is no value")]
    [InlineData("\n# EOF\n", "line 1: an empty line")]
    [InlineData("a{b=\"c\"}1\n# EOF\n", "line 1: a value is expected")]
    [InlineData("a 1 NaN\n# EOF\n", "line 1: \"NaN\" is no time in seconds")]
    [InlineData("a 1 # {b=} 1\n# EOF\n", "line 1: neither the end of the line nor an exemplar")]
    [InlineData("# TYPE a_s gauge\n# UNIT a_s m\n# EOF\n", "line 2: the unit \"m\" is not the end of the metric name")]
    [InlineData("# comment\n# EOF\n", "line 1: a comment is none of # HELP, # TYPE, # UNIT and # EOF")]
    [InlineData("a 1", "line 1: the line does not end")]
    public void OpenMetrics_ThatIsNone_IsRefusedWithLineAndReason(string text, string reason) => Assert.Equal(reason, Read(text, true).Error);

    [Fact]
    public void Text_LabelValueThatIsNotUtf8_IsRefused()
    {
        byte[] text = [.. "a{b=\""u8, 0xff, .. "\"} 1\n"u8];
        Assert.Equal("line 1: a label value is not UTF-8", Read(text, false).Error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnyBytes_AreReadOrRefusedAndNothingElse(bool openMetrics)
    {
        // Valid text with some bytes changed, left out or doubled gets further into the reader than noise does.
        var random = new Random(20261122);
        var valid = Encoding.UTF8.GetBytes(openMetrics ? OpenMetrics : Text);
        var read = 0;
        for (var round = 0; round < 5_000; round++)
        {
            var bytes = valid.ToList();
            for (var edit = random.Next(1, 6); edit > 0; edit--)
            {
                var at = random.Next(bytes.Count);
                switch (random.Next(4))
                {
                    case 0: bytes[at] = (byte)random.Next(256); break;
                    case 1: bytes.RemoveAt(at); break;
                    case 2: bytes.Insert(at, "{}\",=\\ \n#"u8[random.Next(9)]); break;
                    default: bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(40))); break;
                }
                if (bytes.Count == 0) bytes.Add((byte)'a');
            }
            var (entries, error) = Read([.. bytes], openMetrics);
            if (error is null) read++;
            else Assert.StartsWith("line ", error);
            Assert.All(entries, e => Assert.DoesNotContain('\0', e.Split(' ')[0].Split('{')[0]));
        }
        // Both outcomes are met, or the test would show nothing.
        Assert.InRange(read, 50, 4_950);
    }

    [Fact]
    public void Reading_AllocatesNothing()
    {
        var text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 1_000).Select(i => $"http_requests_total{{code=\"{i}\"}} {i}.5\n")));
        Count(text);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var count = Count(text);
        Assert.Equal((1_000, 0L), (count, GC.GetAllocatedBytesForCurrentThread() - before));

        static int Count(ReadOnlySpan<byte> text)
        {
            var reader = new ExpositionReader(text, false);
            var count = 0;
            while (reader.Read()) count++;
            return count;
        }
    }

    private static (List<string> Entries, string? Error) Read(string text, bool openMetrics) => Read(Encoding.UTF8.GetBytes(text), openMetrics);

    private static (List<string> Entries, string? Error) Read(byte[] text, bool openMetrics)
    {
        var entries = new List<string>();
        var labels = new List<Label>();
        var reader = new ExpositionReader(text, openMetrics);
        while (reader.Read())
        {
            if (reader.Entry != ExpositionEntry.Sample)
            {
                var detail = reader.Entry == ExpositionEntry.Help ? SeriesText.Unescape(reader.Detail) : Encoding.UTF8.GetString(reader.Detail);
                entries.Add($"{reader.Entry.ToString().ToLowerInvariant()} {Encoding.UTF8.GetString(reader.Name)} {detail}");
                continue;
            }
            if (SeriesText.TryParse(reader.Series, openMetrics, labels) is { } fault) return (entries, $"{reader.Place}: {fault}");
            var time = reader.TimeMs is { } ms ? $" @{ms}" : "";
            entries.Add(string.Create(CultureInfo.InvariantCulture, $"{LabelSet.Create(labels)} {reader.Value}{time}"));
        }
        return (entries, reader.Error);
    }
}
