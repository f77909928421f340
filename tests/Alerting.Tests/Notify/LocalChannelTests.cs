using System.Text.Json;
using Vigil.Alerting.Notify;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Notify;

public sealed class LocalChannelTests
{
    [Fact]
    public async Task Console_Page_IsOneLineWithWhatAPersonNeeds()
    {
        var output = new StringWriter();
        var channel = new ConsoleChannel(output, colour: false, new FakeClock(Pages.Start));

        await channel.SendAsync(Pages.Page(), default);

        Assert.Equal("12:00:00.000 [PAGE P1] ServiceDown {instance=x}: x is down | respond within 15m | tell CEO, CTO | Restart it" + Environment.NewLine, output.ToString());
    }

    [Fact]
    public async Task Console_LabelWithLineBreakAndEscapes_CannotForgeALine()
    {
        var output = new StringWriter();
        var channel = new ConsoleChannel(output, colour: false, new FakeClock(Pages.Start));

        await channel.SendAsync(Pages.Page("x\n12:00 [RESOLVED] all is well\u001b[2J"), default);

        Assert.Single(output.ToString().TrimEnd().Split('\n'));
        Assert.DoesNotContain('\u001b', output.ToString());
    }

    [Fact]
    public async Task File_Pages_AreAppendedOneLineEach()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-file-channel");
        try
        {
            var path = Path.Combine(folder.FullName, "new", "pages.jsonl");
            using var channel = new FileChannel(path);

            await Task.WhenAll(Enumerable.Range(0, 20).Select(i => channel.SendAsync(Pages.Page($"i{i}"), default)));

            var lines = await File.ReadAllLinesAsync(path);
            Assert.Equal(20, lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("vigil").GetProperty("idempotencyKey").GetString()).Distinct().Count());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("{\"alerts\":[{\"sta", 2)]
    [InlineData("{}\n", 2)]
    [InlineData("", 1)]
    public async Task File_WhoseLastLineWasTorn_GetsThePageOnALineOfItsOwn(string before, int lines)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-file-channel");
        try
        {
            var path = Path.Combine(folder.FullName, "pages.jsonl");
            await File.WriteAllTextAsync(path, before);
            using var channel = new FileChannel(path);

            Assert.True((await channel.SendAsync(Pages.Page(), default)).Delivered);

            var all = await File.ReadAllLinesAsync(path);
            Assert.Equal(lines, all.Length);
            Assert.Equal(Pages.Page().IdempotencyKey, JsonDocument.Parse(all[^1]).RootElement.GetProperty("vigil").GetProperty("idempotencyKey").GetString());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task File_PathThatCannotBeWritten_IsRetryable()
    {
        using var channel = new FileChannel("/proc/nosuch/pages.jsonl");
        var result = await channel.SendAsync(Pages.Page(), default);
        Assert.Equal((false, true), (result.Delivered, result.Retryable));
    }

    [Fact]
    public void IdempotencyKey_SameAlert_DiffersByFiringAndByStartOnly()
    {
        Assert.Equal(Pages.Page().IdempotencyKey, Pages.Page().IdempotencyKey);
        Assert.NotEqual(Pages.Page().IdempotencyKey, Pages.Page(firing: false).IdempotencyKey);
        Assert.NotEqual(Pages.Page("x").IdempotencyKey, Pages.Page("y").IdempotencyKey);
        Assert.Equal(Pages.Page(), Page.FromJson(Pages.Page().ToJson()) with { Labels = Pages.Page().Labels, Annotations = Pages.Page().Annotations, Response = Pages.Page().Response },
            EqualityComparer<Page>.Create((a, b) => a!.ToJson() == b!.ToJson()));
    }
}
