using System.Text;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>A file of settings that is read anew when it changed. What it said last without an error stays in force.</summary>
/// <typeparam name="T">What it holds.</typeparam>
internal sealed class WatchedFile<T>(string path, T nothing, Func<string, YamlReport, T> parse)
{
    private string? seen;

    /// <summary>Where it is.</summary>
    public string Path => path;

    /// <summary>What it said last without an error.</summary>
    public T Value { get; private set; } = nothing;

    /// <summary>What was found in it when it was read last.</summary>
    public IReadOnlyList<Diagnostic> Findings { get; private set; } = [];

    /// <summary>Looks whether it changed. Asking every few seconds also sees what change notifications miss, such as files behind symbolic links.</summary>
    /// <returns>Null where it did not; otherwise whether what it says now is in force.</returns>
    public async Task<bool?> ReadAsync(CancellationToken ct)
    {
        var report = new YamlReport(path);
        try
        {
            var info = new FileInfo(path);
            var signature = $"{info.LastWriteTimeUtc.Ticks}|{(info.Exists ? info.Length : -1)}|{info.ResolveLinkTarget(true)?.FullName}";
            if (signature == seen) return null;
            seen = signature;
            var value = parse(await File.ReadAllTextAsync(path, Encoding.UTF8, ct).ConfigureAwait(false), report);
            if (!report.HasErrors) Value = value;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var fault = new Diagnostic(DiagnosticLevel.Error, path, 0, 0, "", e.Message);
            // While it stays away it is said once.
            if (Findings is [var known] && known == fault) return null;
            Findings = [fault];
            return false;
        }
        Findings = report.Sorted();
        return !report.HasErrors;
    }
}
