using Google.Protobuf;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Api;
using Vigil.Metrics.Series;
using Xunit;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Api;

public sealed class RemoteWriteRequestTests
{
    private readonly SeriesCache cache = new(Options.Create(new MetricsOptions()));

    [Fact]
    public void Parse_SeriesNotKnown_AreListedAndReadOnceTheyAre()
    {
        var message = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("up", [("job", "api")], (1_000, 1), (2_000, 0)) } };
        var first = Parse(message, RemoteWriteFormat.V1);
        Assert.Empty(first.Columns);
        var unknown = Assert.Single(first.Unknown);
        Assert.Equal(2, unknown.Samples);
        var labels = new List<Label>();
        Assert.True(first.TryDescribe(unknown.Place, labels, out _, out _, out _, out _));
        Assert.Equal([new Label("__name__", "up"), new Label("job", "api")], labels);

        cache.Add(unknown.Key!.Value, "api", 7);
        var second = Parse(message, RemoteWriteFormat.V1);
        Assert.Empty(second.Unknown);
        var columns = Assert.Single(second.Columns);
        Assert.Equal([7, 7], columns.Series.ToArray());
        Assert.Equal([1_000L, 2_000], columns.ToBatch(default, 0).Times[..2]);
        Assert.Equal([1.0, 0], columns.ToBatch(default, 0).Values[..2]);
    }

    [Fact]
    public void Parse_Version2_KnowsASeriesByItsTextsWhateverTheirPositions()
    {
        var first = new Write2.Request();
        first.Add("a", [("job", "x")], (1, 1));
        first.Add("b", [("job", "x")], (1, 2)).Metadata = new Write2.Metadata { Type = Write2.Metadata.Types.MetricType.Counter, HelpRef = first.Symbol("says b"), UnitRef = first.Symbol("s") };
        var read = Parse(first, RemoteWriteFormat.V2);
        Assert.Equal(2, read.Unknown.Count);
        Assert.True(read.TryDescribe(read.Unknown[1].Place, [], out var kind, out var help, out var unit, out _));
        Assert.Equal((SeriesKind.Counter, "says b", "s"), (kind, help, unit));
        cache.Add(read.Unknown[1].Key!.Value, "x", 2);

        var other = new Write2.Request();
        other.Symbol("");
        other.Symbol("something else");
        other.Add("b", [("job", "x")], (5, 9));
        Assert.Equal([2], Assert.Single(Parse(other, RemoteWriteFormat.V2).Columns).Series.ToArray());
    }

    [Fact]
    public void Parse_LabelsAfterSamples_IsAnotherSeriesThanItsBeginning()
    {
        var known = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [], (1, 1)) } };
        cache.Add(Parse(known, RemoteWriteFormat.V1).Unknown[0].Key!.Value, "unknown", 1);
        var begin = known.Timeseries[0].ToByteArray();
        var rest = new Write1.TimeSeries { Labels = { new Write1.Label { Name = "job", Value = "x" } } }.ToByteArray();
        using var stream = new MemoryStream();
        var output = new CodedOutputStream(stream);
        output.WriteTag(1, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom([.. begin, .. rest]));
        output.Flush();
        var request = new RemoteWriteRequest(stream.ToArray(), RemoteWriteFormat.V1, cache);
        Assert.True(request.TryParse());
        Assert.Equal(0, request.Columns.Sum(c => c.Count));
        var unknown = Assert.Single(request.Unknown);
        Assert.Null(unknown.Key);
        var labels = new List<Label>();
        Assert.True(request.TryDescribe(unknown.Place, labels, out _, out _, out _, out _));
        Assert.Contains(new Label("job", "x"), labels);
    }

    [Theory]
    [InlineData("0a")] // a series without its length
    [InlineData("0a05")] // cut
    [InlineData("0a021202")] // a sample that is cut
    [InlineData("0a04120209ff")] // a value of two bytes
    [InlineData("0b")] // a group
    [InlineData("00")] // field 0
    public void Parse_NoSuchMessage_IsRefused(string hex) => Assert.False(new RemoteWriteRequest(Convert.FromHexString(hex), RemoteWriteFormat.V1, cache).TryParse());

    [Fact]
    public void Describe_PositionsOutsideOfTheTable_AreNamed()
    {
        var message = new Write2.Request { Symbols = { "", "__name__" }, Timeseries = { new Write2.TimeSeries { LabelsRefs = { 1, 9 }, Samples = { new Write2.Sample { Timestamp = 1 } } } } };
        var request = Parse(message, RemoteWriteFormat.V2);
        Assert.False(request.TryDescribe(Assert.Single(request.Unknown).Place, [], out _, out _, out _, out var fault));
        Assert.Equal("labels_refs: position 9 is outside of the symbol table, which has 2 entries", fault);
    }

    [Fact]
    public void Parse_AnyBytes_NeverThrowsAndAgreesWithTheGeneratedParserOnWhatIsGood()
    {
        var v1 = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("a", [("job", "x"), ("b", "c")], (1, 1), (2, 2)), RemoteWriteBodies.V1Series("d", [("job", "x")], (1, 1)) } };
        v1.Timeseries[0].Histograms.Add(new Write1.Histogram { CountInt = 3, Schema = 1, PositiveSpans = { new Write1.BucketSpan { Length = 2 } }, PositiveDeltas = { 1, 1 }, Timestamp = 7 });
        var v2 = new Write2.Request();
        v2.Add("a", [("job", "x"), ("b", "c")], (1, 1), (2, 2));
        v2.Add("d", [("job", "x")], (1, 1));
        var random = new Random(5);
        foreach (var (message, format) in new (IMessage, RemoteWriteFormat)[] { (v1, RemoteWriteFormat.V1), (v2, RemoteWriteFormat.V2) })
        {
            var good = message.ToByteArray();
            foreach (var unknown in Parse(message, format).Unknown) cache.Add(unknown.Key!.Value, "x", 1);
            for (var i = 0; i < 20_000; i++)
            {
                var bytes = (byte[])good.Clone();
                for (var n = 0; n < 1 + i % 3; n++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                if (i % 7 == 0) bytes = bytes[..random.Next(bytes.Length)];
                var request = new RemoteWriteRequest(bytes, format, cache);
                if (request.TryParse())
                {
                    foreach (var unknown in request.Unknown)
                    {
                        request.TryDescribe(unknown.Place, [], out _, out _, out _, out _);
                        request.Take(unknown, new CachedSeries(cache.Target("x"), 2));
                    }
                }
                else
                {
                    Assert.False(IsWellFormed(message, bytes));
                }
                foreach (var columns in request.Columns) columns.Return();
            }
        }
    }

    [Fact]
    public void Cache_BeyondItsBound_ForgetsWhatWasNotAskedFor()
    {
        var small = new SeriesCache(Options.Create(new MetricsOptions { MaxCachedSeries = 16 }));
        var keys = Enumerable.Range(0, 1_000).Select(i => small.KeyOf(BitConverter.GetBytes(i))).ToArray();
        Assert.Equal(keys.Length, keys.Distinct().Count());
        for (var i = 0; i < keys.Length; i++)
        {
            small.Add(keys[i], "g", i);
            Assert.True(small.TryFind(keys[0], out var first));
            Assert.Equal(0, first.Id);
            Assert.InRange(small.Count, 1, 16);
        }
        Assert.False(small.TryFind(keys[100], out _));
        small.Remove(keys[0]);
        Assert.False(small.TryFind(keys[0], out _));
    }

    private RemoteWriteRequest Parse(IMessage message, RemoteWriteFormat format)
    {
        var request = new RemoteWriteRequest(message.ToByteArray(), format, cache);
        Assert.True(request.TryParse());
        return request;
    }

    private static bool IsWellFormed(IMessage message, byte[] bytes)
    {
        try
        {
            // Groups, which the format has no use for, are the one thing that the generated parser takes and ours does not.
            var parsed = message.Descriptor.Parser.WithDiscardUnknownFields(true).ParseFrom(bytes);
            return parsed.CalculateSize() == bytes.Length && parsed.ToByteArray().AsSpan().SequenceEqual(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }
}
