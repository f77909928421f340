using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class LabelTests
{
    [Fact]
    public void Create_SortsAndDropsEmptyValues_SoThatEqualSetsAreEqual()
    {
        var a = LabelSet.Of("job", "api", "__name__", "up", "empty", "");
        var b = LabelSet.Of("__name__", "up", "job", "api");
        Assert.Equal(a, b);
        Assert.Equal(a.Hash, b.Hash);
        Assert.Equal("up{job=\"api\"}", a.ToString());
        Assert.Equal("", a.Get("empty"));
    }

    [Fact]
    public void Create_NameGivenTwice_IsRefused() => Assert.Throws<ArgumentException>(() => LabelSet.Of("a", "1", "a", "2"));

    [Fact]
    public void Hash_PartsThatReadTheSameJoined_Differ() =>
        Assert.NotEqual(LabelSet.Of("a", "bc").Hash, LabelSet.Of("ab", "c").Hash);

    [Fact]
    public void Hash_IsTheSameInEveryRelease()
    {
        // Shards are picked by it: another value would send the samples of running series to other grains.
        Assert.Equal(LabelSet.Of("__name__", "up", "job", "api").Hash, LabelSet.FromSortedPairs(["__name__", "up", "job", "api"]).Hash);
        var spread = Enumerable.Range(0, 8000).Select(i => LabelSet.Of("__name__", "m", "i", i.ToString()).Hash % 8).GroupBy(s => s).ToArray();
        Assert.Equal(8, spread.Length);
        Assert.All(spread, s => Assert.InRange(s.Count(), 850, 1150));
    }

    [Theory]
    [InlineData("Equal", "api", "api", true)]
    [InlineData("Equal", "api", "api2", false)]
    [InlineData("NotEqual", "api", "", true)]
    [InlineData("Regex", "a|b", "b", true)]
    [InlineData("Regex", "a|b", "ab", false)]
    [InlineData("Regex", "5..", "503", true)]
    [InlineData("Regex", "5..", "1503", false)]
    [InlineData("Regex", ".*", "", true)]
    [InlineData("Regex", ".+", "", false)]
    [InlineData("NotRegex", "5..", "200", true)]
    [InlineData("NotRegex", "5..", "500", false)]
    public void Matches_ComparesTheWholeValue(string kind, string pattern, string value, bool expected) =>
        Assert.Equal(expected, LabelMatcher.Create("l", Enum.Parse<MatchKind>(kind), pattern).Matches(value));

    [Fact]
    public void TryCreate_BadRegex_SaysWhy()
    {
        Assert.False(LabelMatcher.TryCreate("l", MatchKind.Regex, "(", out _, out var error));
        Assert.Contains("(", error);
    }

    [Fact]
    public void Find_AgreesWithTestingEverySeries()
    {
        var random = new Random(3);
        var table = new SeriesTable();
        var all = new List<SeriesEntry>();
        for (var i = 0; i < 600; i++)
        {
            var labels = LabelSet.Of("__name__", $"m{random.Next(5)}", "job", $"j{random.Next(4)}", "code", random.Next(3) == 0 ? "" : $"{random.Next(2, 6)}00", "i", i.ToString());
            all.Add(table.Add(labels, SeriesKind.Gauge, "", ""));
        }
        foreach (var gone in all.Where(_ => random.Next(4) == 0).ToArray())
        {
            table.Remove(gone);
            all.Remove(gone);
        }
        string[] names = ["__name__", "job", "code", "absent"];
        string[] values = ["m1", "j2", "200", "", "m1|m2", "j.*", ".+", "5.."];
        for (var i = 0; i < 500; i++)
        {
            var matchers = Enumerable.Range(0, random.Next(1, 4))
                .Select(_ => LabelMatcher.Create(names[random.Next(names.Length)], (MatchKind)random.Next(4), values[random.Next(values.Length)])).ToArray();
            var found = new List<SeriesEntry>();
            table.Find(matchers, found);
            var expected = all.Where(e => LabelMatcher.AllMatch(matchers, e.Labels)).Select(e => e.Id).Order();
            Assert.True(expected.SequenceEqual(found.Select(f => f.Id).Order()), string.Join(",", matchers.Select(m => m.ToString())));
        }
    }

    [Fact]
    public void Remove_ThenAdd_NeverGivesANumberTwice()
    {
        var table = new SeriesTable();
        var first = table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "");
        table.Remove(first);
        Assert.Equal(first.Id + 1, table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "").Id);
        Assert.Null(table.Find(first.Id));
    }

    [Fact]
    public void AddAndRemove_AgainAndAgain_EachSeriesIsFoundByNumberLabelsAndMatchers_AndKeepsWhatIsItsOwn()
    {
        var random = new Random(5);
        var table = new SeriesTable();
        var model = new Dictionary<int, LabelSet>();
        for (var round = 0; round < 6; round++)
        {
            for (var i = 0; i < 700; i++)
            {
                // Of several shapes; half of the values are of one series only.
                var labels = LabelSet.Of("__name__", $"m{random.Next(3)}", "job", "j", random.Next(2) == 0 ? "code" : "path", $"v{random.Next(40)}", "i", $"{round}-{i}");
                // As after a restart, numbers may be left out.
                var entry = table.Add(labels, (SeriesKind)(i % 3), $"u{i % 2}", i % 5 == 0 ? "help" : "", random.Next(50) == 0 ? table.NextId + random.Next(2_000) : 0);
                Assert.True(model.TryAdd(entry.Id, labels));
                entry.Append(entry.Id, entry.Id);
                if (i % 7 == 0) entry.Subscribers = [entry.Id];
                if (i % 11 == 0) entry.Histograms = new HistogramBuffer();
                Assert.Equal(((SeriesKind)(i % 3), $"u{i % 2}", i % 5 == 0 ? "help" : ""), (entry.Kind, entry.Unit, entry.Help));
            }
            foreach (var id in model.Keys.Where(_ => random.Next(5) > 0).ToArray())
            {
                var entry = table.Find(id)!.Value;
                table.Remove(entry);
                Assert.False(entry.IsThere);
                Assert.Null(table.Find(id));
                Assert.Null(table.Find(model[id]));
                model.Remove(id);
            }
            Assert.Equal(model.Count, table.Count);
            Assert.Equal(model.Keys.Order(), table.All.Select(e => e.Id));
            foreach (var (id, labels) in model)
            {
                var entry = table.Find(labels)!.Value;
                Assert.Equal((id, labels, (double)id), (entry.Id, entry.Labels, entry.Samples.LastValue));
                Assert.Equal(entry.Subscribers, entry.Subscribers is null ? null : [id]);
                Assert.Contains(entry, table.InBucket(entry.Bucket));
                var found = new List<SeriesEntry>();
                table.Find([LabelMatcher.Create("i", MatchKind.Equal, labels.Get("i"))], found);
                Assert.Equal([entry], found);
            }
            Assert.Equal(model.Values.Select(l => l.Get("i")).Order(), table.Values("i").Order());
        }
        foreach (var entry in table.All.ToArray()) table.Remove(entry);
        Assert.Empty(table.Names);
    }

    [Theory]
    [InlineData("up", true)]
    [InlineData("job:rate5m", true)]
    [InlineData("_x9", true)]
    [InlineData("9x", true)]
    [InlineData("http.server.duration", true)]
    [InlineData("Größe in %", true)]
    [InlineData("", false)]
    public void Check_MetricName(string name, bool allowed) => Assert.Equal(allowed, new SeriesRules().Check(name, []) is null);

    [Theory]
    [InlineData("m{job=\"a\"}", "__name__", "m", "job", "a")]
    [InlineData("a:b", "__name__", "a:b")]
    [InlineData("{\"http.status\",job=\"a\"}", "__name__", "http.status", "job", "a")]
    [InlineData("m{\"a.b\"=\"c\"}", "__name__", "m", "a.b", "c")]
    [InlineData("{\"9 \\\"x\\\"\"}", "__name__", "9 \"x\"")]
    public void ToString_NamesBeyondLettersDigitsAndUnderscores_AreInQuotes(string expected, params string[] labels) => Assert.Equal(expected, LabelSet.Of(labels).ToString());

    [Fact]
    public void Check_HalfOfASurrogatePair_IsRefused()
    {
        Assert.Equal(RefusalCause.BadName, new SeriesRules().Check("a\ud83d", [])?.Cause);
        Assert.Equal(RefusalCause.BadLabel, new SeriesRules().Check("m", [new("a\ud83d", "1")])?.Cause);
    }

    [Fact]
    public void Check_Labels_AtTheLimitPassAndOneMoreFails()
    {
        var rules = new SeriesRules(MaxLabels: 3, MaxNameLength: 5, MaxValueBytes: 4);
        Assert.Null(rules.Check("m", Labels(3)));
        Assert.Equal(RefusalCause.TooManyLabels, rules.Check("m", Labels(4))?.Cause);
        Assert.Null(rules.Check("abcde", [new("abcde", "éé")]));
        Assert.Equal(RefusalCause.BadName, rules.Check("abcdef", [])?.Cause);
        Assert.Equal(RefusalCause.BadLabel, rules.Check("m", [new("abcdef", "")])?.Cause);
        Assert.Equal(RefusalCause.BadLabel, rules.Check("m", [new("a", "ééx")])?.Cause);
        Assert.Equal(RefusalCause.BadLabel, rules.Check("m", [new("a", "1"), new("a", "1")])?.Cause);
        Assert.Null(rules.Check("m", [new("a.b:c", "1")]));
        Assert.Equal(RefusalCause.BadLabel, rules.Check("m", [new("", "1")])?.Cause);
        Assert.Equal(RefusalCause.BadLabel, rules.Check("m", [new("__name__", "x")])?.Cause);
    }

    [Theory]
    [InlineData("api", 1, "api")]
    [InlineData("team/api", 1, "team%2Fapi")]
    [InlineData("50%", 1, "50%25")]
    public void GrainKey_OfAService_GivesTheServiceBack(string service, int shards, string expected)
    {
        var labels = LabelSet.Of("__name__", "up", "job", service);
        Assert.Equal(expected, GrainKeys.For(labels, shards));
        Assert.Equal(service, GrainKeys.ServiceOf(GrainKeys.For(labels, shards)));
        Assert.Equal(service, GrainKeys.ServiceOf(GrainKeys.For(labels, 7)));
        Assert.Equal("unknown", GrainKeys.For(labels.Without("job"), 1));
    }

    private static Label[] Labels(int count) => [.. Enumerable.Range(0, count).Select(i => new Label($"l{i}", "v"))];
}
