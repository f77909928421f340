using System.Globalization;
using System.Text.RegularExpressions;
using Vigil.Testing;
using Xunit;

namespace Vigil.EndToEnd;

/// <summary>What a newcomer sees who types <c>dotnet run --project AppHost -- --demo</c>, with the policies that come with it.</summary>
public sealed partial class DemoTests
{
    private static readonly string[] Story =
    [
        "demo-shop breaks: for 0 s every request will be answered with 503",
        "the probe fails: Metrics has accepted probe_success = 0",
        "P1 DemoShopDown is pending",
        "P1 DemoShopDown is firing",
        "page arrives at the pager: P1 DemoShopDown firing",
        "the probe succeeds again: Metrics has accepted probe_success = 1",
        "P1 DemoShopDown is resolved",
        "page arrives at the pager: P1 DemoShopDown resolved",
    ];

    [Fact]
    public async Task Demo_ShopBreaks_IsToldFromTheFailedProbeToThePageAndBackEachWithItsLatency()
    {
        await using var pager = await Pager.StartAsync().DefaultTimeout();
        // The shop is repaired when its page has arrived, so nothing here depends on how fast the machine is.
        using var system = new VigilSystem(new SystemSetup(null, "--demo", "--Demo:FirstBreak=0", "--Demo:BrokenFor=0", "--Demo:Every=3600")
        {
            Agent = true,
            Environment = { ["Notify__Webhooks__0__Url"] = pager.Url, ["Notify__File__Path"] = "{folder}/pages.jsonl" },
        });
        await system.ReadyAsync();
        await system.PrintsAsync(text => Story.All(part => text.Contains(part, StringComparison.Ordinal)), "the story is told to its end");

        var lines = system.Text.Split('\n').Where(l => l.StartsWith("story ", StringComparison.Ordinal)).Select(l => (Text: l, Match: Line().Match(l))).ToArray();
        Assert.All(lines, l => Assert.True(l.Match.Success, l.Text));
        var times = Story.Select(part => lines.First(l => l.Text.Contains(part, StringComparison.Ordinal)).Match).Select(m => double.Parse(m.Groups["at"].Value, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(times.Order(), times);
        Assert.Empty(lines[0].Match.Groups["latency"].Value);
        Assert.All(lines[1..], l => Assert.NotEmpty(l.Match.Groups["latency"].Value));
        // The policy says "for: 5s"; what comes on top is the system's own.
        Assert.InRange(times[3] - times[2], 4.99, 60);

        // The page itself, at each place it goes to: the console, a webhook of somebody else, a file.
        Assert.Contains(system.Text.Split('\n'), l => l.StartsWith("alerting", StringComparison.Ordinal) && l.Contains("PAGE", StringComparison.Ordinal) && l.Contains("DemoShopDown", StringComparison.Ordinal));
        await Waiting.Until(() => Task.FromResult(pager.Count("DemoShopDown", "resolved") > 0), "the webhook has both pages", VigilSystem.RecoveryTimeout);
        Assert.Equal(1, pager.Count("DemoShopDown", "firing"));
        var file = Path.Combine(system.Folder, "pages.jsonl");
        await Waiting.Until(async () => Regex.Count(await File.ReadAllTextAsync(file), "\"DemoShopDown\".*resolved|resolved.*\"DemoShopDown\"") == 1, "the file has the page of the end", VigilSystem.RecoveryTimeout);
    }

    [GeneratedRegex(@"^story  \+ *(?<at>\d+\.\d{3}) s  (?:(?: *(?<latency>\d+(?:\.\d\d)? m?s later))| {12})  \S")]
    private static partial Regex Line();
}
