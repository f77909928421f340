using Xunit;
using Xunit.Abstractions;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// Prometheus' own test scripts, where a checkout of them lies beside the repository, in ../shared/promqltest: every script that is there, every case of it.
/// They are not part of this repository; our own are in Scripts/.
/// </summary>
public sealed class PrometheusScriptTests(ITestOutputHelper output)
{
    private static readonly string? Folder = FindFolder();

    /// <summary>A name, so that a run without scripts says what it skipped.</summary>
    public static TheoryData<string> Scripts =>
        [.. (Folder is null ? ["none"] : Directory.GetFiles(Folder, "*.test")).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    [TheoryNeedsScripts]
    [MemberData(nameof(Scripts))]
    public void Script_OfPrometheus_PassesWhole(string file)
    {
        var run = ScriptRunner.Run(File.ReadAllText(Path.Combine(Folder!, file)));
        output.WriteLine($"{file}: {run.Passed} of {run.Passed + run.Failures.Count} cases passed");
        Assert.True(run.Failures.Count == 0, $"{run.Failures.Count} of {run.Failures.Count + run.Passed} failed\n{string.Join("\n", run.Failures)}");
        Assert.True(run.Passed > 0, "there is no case in it");
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
