using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Our own scripts: what the language's rules say of what Prometheus' given ones do not try.</summary>
public sealed class ScriptTests
{
    public static TheoryData<string> Scripts => [.. Directory.GetFiles(Folder, "*.test").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "PromQL", "Scripts");

    [Theory]
    [MemberData(nameof(Scripts))]
    public void Script_OfOurs_PassesWhole(string file)
    {
        var run = ScriptRunner.Run(File.ReadAllText(Path.Combine(Folder, file)));
        Assert.True(run.Failures.Count == 0, $"{run.Failures.Count} of {run.Failures.Count + run.Passed} failed\n{string.Join("\n", run.Failures)}");
        Assert.True(run.Passed > 0, "there is no case in it");
    }

    [Fact]
    public void Script_WithCasesThatDoNotHold_FailsEachOfThem()
    {
        var run = ScriptRunner.Run("""
            load 1m
              f 1 2
              h {{count:1 sum:1 buckets:[1]}}

            eval instant at 1m f
              f 3

            eval instant at 1m f
              f {{count:1}}

            eval instant at 1m h
              h {{count:1 sum:1 buckets:[2]}}

            eval instant at 1m h
              h {{count:1 sum:1 counter_reset_hint:gauge buckets:[1]}}

            eval instant at 1m f
              expect warn
              f 2

            eval instant at 1m rate(f[2m])
              expect no_info
              {} 0.016666666666666666

            eval instant at 1m f
              expect fail

            eval instant at 1m f +

            eval instant at 1m h
              h {{count:1 sum:1 buckets:[1]}}
            """);
        Assert.Equal(8, run.Failures.Count);
        Assert.Equal(1, run.Passed);
    }
}
