using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Runtime;

/// <summary>
/// Builds the projects of a system with one <c>dotnet build</c>, and leaves that out where nothing has changed since the last: even a build that
/// finds nothing to do takes seconds. What a project consists of is asked of MSBuild during the build and noted in a stamp beside the AppHost.
/// </summary>
internal sealed class ProjectBuild(IReadOnlyList<ProjectResource> projects, string configuration, Terminal terminal, TimeProvider clock)
{
    private static readonly string[] AnywhereAbove = ["Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "global.json", "nuget.config", "NuGet.config"];
    private static readonly string[] NotSource = ["bin", "obj", "artifacts", "node_modules", "TestResults"];

    private readonly string[] paths = [.. projects.Select(p => p.ProjectPath).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The built assembly of each project, by project path.</summary>
    /// <exception cref="DistributedApplicationException">It does not build; the message has the compiler's errors.</exception>
    public async Task<IReadOnlyDictionary<string, string>> RunAsync(CancellationToken cancellationToken)
    {
        if (paths.Length == 0) return new Dictionary<string, string>();
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', [configuration, .. paths]))))[..12];
        var stampPath = Path.Combine(AppContext.BaseDirectory, $"aspire-build.{key}.json");
        // Two AppHosts of one folder must not build the same files at once.
        await using var mine = await LockAsync(stampPath + ".lock", cancellationToken).ConfigureAwait(false);
        if (BuildStamp.Read(stampPath) is { } stamp && stamp.IsCurrent()) return stamp.Assemblies;

        var names = string.Join(", ", projects.Select(p => p.Name));
        terminal.Say("apphost", $"building {names} ...");
        var began = clock.GetTimestamp();
        var startedAt = clock.GetUtcNow();
        var reports = await BuildAsync(cancellationToken).ConfigureAwait(false);
        terminal.Say("apphost", $"built in {clock.GetElapsedTime(began).TotalSeconds:0.0} s");
        var made = new BuildStamp(startedAt, reports.ToDictionary(r => r.Project, r => r.Assembly), Inputs(reports), "");
        made = made with { Names = made.NamesNow() };
        await File.WriteAllTextAsync(stampPath, JsonSerializer.Serialize(made), cancellationToken).ConfigureAwait(false);
        return made.Assemblies;
    }

    private async Task<IReadOnlyList<ProjectReport>> BuildAsync(CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("aspire-build-");
        try
        {
            var reportTargets = Path.Combine(folder.FullName, "report.targets");
            var traversal = Path.Combine(folder.FullName, "system.proj");
            var reportFile = Path.Combine(folder.FullName, "report.txt");
            await File.WriteAllTextAsync(reportTargets, ReportTargets, cancellationToken).ConfigureAwait(false);
            await File.WriteAllTextAsync(traversal, Traversal(reportFile), cancellationToken).ConfigureAwait(false);
            var (exitCode, lines) = await RunDotnetAsync(
                ["build", traversal, "-c", configuration, "-v", "q", "-nologo", "-clp:NoSummary", $"-p:CustomAfterMicrosoftCommonTargets={reportTargets}"], cancellationToken).ConfigureAwait(false);
            if (exitCode != 0) throw new DistributedApplicationException(Errors(exitCode, lines));
            return [.. (await File.ReadAllLinesAsync(reportFile, cancellationToken).ConfigureAwait(false)).Select(ProjectReport.Parse)];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Restores and builds all projects in one go, then has each say what it made, and of what.</summary>
    private string Traversal(string reportFile) => $"""
        <Project DefaultTargets="Build">
          <PropertyGroup>
            <RestoreGraphProjectInput>{string.Join(';', paths.Select(System.Security.SecurityElement.Escape))}</RestoreGraphProjectInput>
          </PropertyGroup>
          <ItemGroup>
            {string.Join("\n    ", paths.Select(p => $"<Member Include=\"{System.Security.SecurityElement.Escape(p)}\" />"))}
          </ItemGroup>
          <Import Project="$(MSBuildToolsPath)/NuGet.targets" />
          <Target Name="Build">
            <MSBuild Projects="@(Member)" Targets="Build" BuildInParallel="true" />
            <MSBuild Projects="@(Member)" Targets="AspireReport" BuildInParallel="true">
              <Output TaskParameter="TargetOutputs" ItemName="Report" />
            </MSBuild>
            <WriteLinesToFile File="{System.Security.SecurityElement.Escape(reportFile)}" Lines="@(Report->'%(Identity)|%(Assembly)|%(Assets)|%(Imports)')" Overwrite="true" />
          </Target>
        </Project>
        """;

    private const string ReportTargets = """
        <Project>
          <Target Name="AspireReport" Returns="@(_AspireReport)">
            <ItemGroup>
              <_AspireReport Include="$(MSBuildProjectFullPath)">
                <Assembly>$(TargetPath)</Assembly>
                <Assets>$(ProjectAssetsFile)</Assets>
                <Imports>$(MSBuildAllProjects.Replace(';', '?'))</Imports>
              </_AspireReport>
            </ItemGroup>
          </Target>
        </Project>
        """;

    private static async Task<(int ExitCode, List<string> Lines)> RunDotnetAsync(string[] arguments, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        var environment = new Dictionary<string, string> { ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1", ["DOTNET_CLI_UI_LANGUAGE"] = "en" };
        using var build = ChildProcess.Start(new Launch(Dotnet.Path, arguments, Path.GetTempPath(), environment), (line, _) =>
        {
            lock (lines) lines.Add(line);
        });
        try
        {
            return (await build.Exited.WaitAsync(cancellationToken).ConfigureAwait(false), lines);
        }
        catch (OperationCanceledException)
        {
            await build.StopAsync(TimeSpan.FromSeconds(2), TimeProvider.System, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private static string Errors(int exitCode, IEnumerable<string> lines)
    {
        var all = lines.ToArray();
        // MSBuild names the project at the end of each line, and repeats what several projects ran into.
        var errors = all.Where(l => l.Contains("error", StringComparison.OrdinalIgnoreCase) && l.Contains(':'))
            .Select(l => l.IndexOf(" [", StringComparison.Ordinal) is > 0 and var end && l.EndsWith(']') ? l[..end] : l).Select(l => l.Trim()).Distinct().ToArray();
        var shown = errors.Length > 0 ? errors : all[^Math.Min(all.Length, 20)..];
        return $"the system does not build (dotnet build ended with exit code {exitCode}):\n"
            + string.Join('\n', shown.Take(20).Select(l => "    " + l)) + (shown.Length > 20 ? $"\n    ... and {shown.Length - 20} more" : "");
    }

    private static string[] Inputs(IReadOnlyList<ProjectReport> reports)
    {
        var inputs = new HashSet<string>();
        foreach (var report in reports)
        {
            var folders = ReferencedProjects(report).Append(report.Project).Select(p => Path.GetDirectoryName(p)!);
            foreach (var folder in folders)
            {
                inputs.Add(folder);
                for (var above = Path.GetDirectoryName(folder); above is not null; above = Path.GetDirectoryName(above))
                    inputs.UnionWith(AnywhereAbove.Select(name => Path.Combine(above, name)).Where(File.Exists));
            }
            // Files of the SDK and of packages do not change under a stamp: their version is in a file above.
            inputs.UnionWith(report.Imports.Where(i => File.Exists(i) && !i.Contains("/sdk/", StringComparison.Ordinal) && !i.Contains(".nuget", StringComparison.Ordinal)
                && !i.Contains("/obj/", StringComparison.Ordinal) && !i.StartsWith(Path.GetTempPath(), StringComparison.Ordinal)));
        }
        return [.. inputs.Order(StringComparer.Ordinal)];
    }

    /// <summary>The projects that a project refers to, directly or not, from the assets file that restoring wrote.</summary>
    private static IEnumerable<string> ReferencedProjects(ProjectReport report)
    {
        if (!File.Exists(report.Assets)) yield break;
        using var assets = JsonDocument.Parse(File.ReadAllBytes(report.Assets));
        foreach (var library in assets.RootElement.GetProperty("libraries").EnumerateObject())
            if (library.Value.GetProperty("type").GetString() == "project" && library.Value.TryGetProperty("msbuildProject", out var path))
                yield return Path.GetFullPath(path.GetString()!, Path.GetDirectoryName(report.Project)!);
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                // Another AppHost builds: ask again.
                await Task.Delay(100, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private sealed record ProjectReport(string Project, string Assembly, string Assets, string[] Imports)
    {
        public static ProjectReport Parse(string line)
        {
            var parts = line.Split('|');
            return new ProjectReport(parts[0], parts[1], parts[2], parts[3].Split('?', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    /// <summary>What was built, when, and what must not have changed since.</summary>
    /// <param name="StartedAt">What is younger than this has changed.</param>
    /// <param name="Assemblies">By project.</param>
    /// <param name="Inputs">Files, and folders of which every file counts.</param>
    /// <param name="Names">A hash of the names of all those files: tells of files that came, went or were renamed.</param>
    internal sealed record BuildStamp(DateTimeOffset StartedAt, Dictionary<string, string> Assemblies, string[] Inputs, string Names)
    {
        public static BuildStamp? Read(string path)
        {
            if (!File.Exists(path)) return null;
            try
            {
                return JsonSerializer.Deserialize<BuildStamp>(File.ReadAllText(path));
            }
            catch (JsonException)
            {
                // Half written by an AppHost that was killed: build.
                return null;
            }
        }

        /// <summary>Whether the build can be left out.</summary>
        public bool IsCurrent() =>
            Assemblies.Values.All(File.Exists) && Files().All(f => f.LastWriteTimeUtc <= StartedAt.UtcDateTime) && NamesNow() == Names;

        public string NamesNow() =>
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', Files().Select(f => f.FullName).Order(StringComparer.Ordinal)))));

        private IEnumerable<FileInfo> Files() => Inputs.SelectMany(i => Directory.Exists(i) ? In(new DirectoryInfo(i)) : File.Exists(i) ? [new FileInfo(i)] : []);

        private static IEnumerable<FileInfo> In(DirectoryInfo folder)
        {
            foreach (var entry in folder.EnumerateFileSystemInfos().Where(e => !e.Name.StartsWith('.')))
            {
                if (entry is FileInfo file) yield return file;
                else if (entry is DirectoryInfo sub && !NotSource.Contains(sub.Name))
                    foreach (var inner in In(sub)) yield return inner;
            }
        }
    }
}
