using Vigil.Metrics.PromQL;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// Prometheus' own test scripts, where a checkout of them lies beside the repository, in ../shared/promqltest. They are not part of this repository.
/// </summary>
public sealed class PrometheusScriptTests
{
    /// <summary>Files that are about native histograms throughout: issue B.</summary>
    private static readonly string[] Excluded = ["native_histograms.test"];

    private static readonly string? Folder = FindFolder();

    [TheoryNeedsScripts]
    [InlineData("aggregators.test", 35)]
    [InlineData("at_modifier.test", 0)]
    [InlineData("collision.test", 0)]
    [InlineData("functions.test", 108)]
    [InlineData("histograms.test", 92)]
    [InlineData("limit.test", 36)]
    [InlineData("literals.test", 0)]
    [InlineData("name_label_dropping.test", 0)]
    [InlineData("operators.test", 72)]
    [InlineData("range_queries.test", 2)]
    [InlineData("selectors.test", 0)]
    [InlineData("staleness.test", 0)]
    [InlineData("subquery.test", 2)]
    [InlineData("trig_functions.test", 0)]
    public void Script_OfPrometheus_Passes(string file, int casesThatNeedNativeHistograms)
    {
        var run = ScriptRunner.Run(File.ReadAllText(Path.Combine(Folder!, file)));
        Assert.True(run.Failures.Count == 0, $"{run.Failures.Count} of {run.Failures.Count + run.Passed} failed, {run.PassedOver} passed over\n{string.Join("\n", run.Failures)}");
        Assert.Equal(casesThatNeedNativeHistograms, run.PassedOver);
    }

    [TheoryNeedsScripts]
    [InlineData(0)]
    public void Scripts_OfPrometheus_AreAllRunOrExcludedByName(int missing)
    {
        var run = typeof(PrometheusScriptTests).GetMethod(nameof(Script_OfPrometheus_Passes))!
            .GetCustomAttributes(typeof(InlineDataAttribute), false).Cast<InlineDataAttribute>().Select(d => (string)d.GetData(null!).First()[0]);
        var files = Directory.GetFiles(Folder!, "*.test").Select(f => Path.GetFileName(f)!);
        Assert.Equal(missing, files.Except(run).Except(Excluded).Count());
    }

    private static string? FindFolder()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var folder = Path.Combine(at.FullName, "shared", "promqltest");
            if (Directory.Exists(folder)) return folder;
        }
        return null;
    }

    private sealed class TheoryNeedsScriptsAttribute : TheoryAttribute
    {
        public TheoryNeedsScriptsAttribute() => Skip = Folder is null ? "no folder shared/promqltest beside the repository" : null;
    }
}
