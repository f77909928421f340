using Vigil.Alerting.Notify;

namespace Vigil.Alerting.Tests.Notify;

public sealed class OutboxTests
{
    /// <summary>Pages as alert, F or R, and the number of its firing: "a F1" is "a:F1". Most is the bound on all.</summary>
    [Theory]
    [InlineData("nothing at the limit", 4, "a:F1 b:F1 c:F1 d:F1", "")]
    [InlineData("nothing of what fires, also past the limit", 4, "a:F1 b:F1 c:F1 d:F1 e:F1", "")]
    [InlineData("the oldest alert that is over", 4, "a:F1 a:R1 b:F1 b:R1 c:F1", "a:F1 a:R1")]
    [InlineData("one that is over rather than one that fires, though it is younger", 2, "a:F1 b:F1 b:R1", "b:F1 b:R1")]
    [InlineData("one never told of rather than the end of one that was", 4, "a:R1 b:F1 b:R1 c:F1 d:F1", "b:F1 b:R1")]
    [InlineData("the end of one that was told of where nothing else is over", 2, "a:R1 b:F1 c:F1", "a:R1")]
    [InlineData("earlier firings of what fires still", 2, "a:F1 a:R1 a:F2 b:F1", "a:F1 a:R1")]
    [InlineData("the end of an earlier firing with it", 1, "a:R1 a:F2", "a:R1")]
    public void Overflow_PagesOfSeveralAlerts_LetsGoOf(string what, int most, string outbox, string expected) =>
        Assert.True(expected == Dropped(outbox.Split(' '), most), $"lets go of {what}: {Dropped(outbox.Split(' '), most)} instead of {expected}");

    [Fact]
    public void Overflow_AlertThatFlaps_KeepsItsNewestPages()
    {
        var pages = Enumerable.Range(1, Outbox.MaxPerAlert / 2).SelectMany(i => new[] { $"a:F{i}", $"a:R{i}" }).ToList();
        Assert.Equal("", Dropped(pages, 1_000));
        pages.Add("a:F99");
        // With the firing its end: without it that speaks of something unheard of.
        Assert.Equal("a:F1 a:R1", Dropped(pages, 1_000));
    }

    private static string Dropped(IEnumerable<string> outbox, int most)
    {
        var entries = outbox.Select(p => new OutboxEntry(p, p.Split(':')[0], p.Split(':')[1][0] == 'F')).ToArray();
        var dropped = Outbox.Overflow(entries, most);
        return string.Join(' ', entries.Where(e => dropped.Contains(e.Key)).Select(e => e.Key));
    }
}
