using YamlDotNet.Core;

namespace Vigil.ServiceDefaults.Yaml;

/// <summary>Collects the findings of one file.</summary>
public sealed class YamlReport(string file)
{
    /// <summary>What was found, in order of reading.</summary>
    public List<Diagnostic> Diagnostics { get; } = [];

    /// <summary>The file is refused.</summary>
    public bool HasErrors => Diagnostics.Exists(d => d.Level == DiagnosticLevel.Error);

    /// <summary>Adds what refuses the file.</summary>
    public void Error(Mark mark, string key, string reason) => Add(DiagnosticLevel.Error, mark, key, reason);

    /// <summary>Adds what does not.</summary>
    public void Warn(Mark mark, string key, string reason) => Add(DiagnosticLevel.Warning, mark, key, reason);

    /// <summary>The findings in order of place.</summary>
    public IReadOnlyList<Diagnostic> Sorted() => [.. Diagnostics.OrderBy(d => d.Line).ThenBy(d => d.Column)];

    private void Add(DiagnosticLevel level, Mark mark, string key, string reason) =>
        Diagnostics.Add(new Diagnostic(level, file, (int)mark.Line, (int)mark.Column, key, reason));
}
