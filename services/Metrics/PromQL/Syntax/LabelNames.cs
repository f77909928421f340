namespace Vigil.Metrics.PromQL;

/// <summary>What may be a label name.</summary>
internal static class LabelNames
{
    /// <summary>[a-zA-Z_][a-zA-Z0-9_]*: what may be written without quotes.</summary>
    public static bool IsLegacy(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    /// <summary>[a-zA-Z_:][a-zA-Z0-9_:]*: a metric name that may be written without quotes.</summary>
    public static bool IsLegacyMetric(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or ':');

    /// <summary>Any text that is not empty and is UTF-8.</summary>
    public static bool IsValid(string name) => name.Length > 0 && GoText.IsValidUtf8(name);

    /// <summary>The name as PromQL writes it, in quotes where it needs them.</summary>
    public static string Write(string name) => IsLegacy(name) ? name : GoText.Quote(name);
}
