namespace Vigil.ServiceDefaults.Yaml;

/// <summary>How bad a finding in a file is.</summary>
public enum DiagnosticLevel
{
    /// <summary>The file is refused.</summary>
    Error,

    /// <summary>The file loads, but a part of it does not do what one might expect.</summary>
    Warning,
}

/// <summary>A finding in a file of settings.</summary>
/// <param name="Level">Whether the file is refused for it.</param>
/// <param name="File">The file's name, as its readers know it.</param>
/// <param name="Line">From 1; 0 when the whole file is meant.</param>
/// <param name="Column">From 1; 0 when the whole file is meant.</param>
/// <param name="Key">Where in the document: groups[0].rules[2].for</param>
/// <param name="Reason">A sentence.</param>
public sealed record Diagnostic(DiagnosticLevel Level, string File, int Line, int Column, string Key, string Reason)
{
    /// <summary>As compilers print it, so that editors can jump to it.</summary>
    public override string ToString() =>
        $"{File}:{Line}:{Column}: {(Level == DiagnosticLevel.Error ? "error" : "warning")}: {(Key.Length == 0 ? "" : Key + ": ")}{Reason}";
}
