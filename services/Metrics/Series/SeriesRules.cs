using System.Text;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>Why a series or a sample is not taken. One counter each.</summary>
internal enum RefusalCause
{
    /// <summary>The sample names a series that was not declared.</summary>
    UndeclaredSeries,

    /// <summary>The metric name is not one.</summary>
    BadName,

    /// <summary>A label's name or value is not allowed.</summary>
    BadLabel,

    /// <summary>More labels than allowed.</summary>
    TooManyLabels,

    /// <summary>More series than allowed for a service, a stream or all together.</summary>
    SeriesLimit,

    /// <summary>Older than the window that takes late samples.</summary>
    TooOld,

    /// <summary>Too far ahead of the server's clock.</summary>
    TooFarAhead,

    /// <summary>Another value is stored for this series and moment.</summary>
    ConflictingDuplicate,

    /// <summary>Declared before with other labels or another kind.</summary>
    ConflictingDeclaration,

    /// <summary>More samples in one message than allowed.</summary>
    FrameTooLarge,

    /// <summary>A kind of data that is not known, or without what it needs to be understood.</summary>
    Unsupported,

    /// <summary>A native histogram that is none, or cannot be stored.</summary>
    BadHistogram,
}

/// <summary>What a series may look like.</summary>
/// <param name="MaxLabels">Labels besides the metric name.</param>
/// <param name="MaxNameLength">Characters of a metric or label name.</param>
/// <param name="MaxValueBytes">Bytes of a label value in UTF-8.</param>
internal sealed record SeriesRules(int MaxLabels = 64, int MaxNameLength = 256, int MaxValueBytes = 1024)
{
    /// <summary>Checks a metric name and its labels (without <c>__name__</c>).</summary>
    /// <returns>Null where all is well.</returns>
    public (RefusalCause Cause, string Detail)? Check(string name, IReadOnlyCollection<Label> labels)
    {
        if (!IsName(name)) return (RefusalCause.BadName, name.Length == 0 ? "the metric name is missing" : $"metric name \"{Short(name)}\" is not UTF-8");
        if (name.Length > MaxNameLength) return (RefusalCause.BadName, $"metric name \"{Short(name)}\" is {name.Length} characters long; at most {MaxNameLength} are allowed");
        if (labels.Count > MaxLabels) return (RefusalCause.TooManyLabels, $"{name} has {labels.Count} labels; at most {MaxLabels} are allowed");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (label, value) in labels)
        {
            if (!IsName(label)) return (RefusalCause.BadLabel, label.Length == 0 ? $"a label of {name} has no name" : $"label name \"{Short(label)}\" of {name} is not UTF-8");
            if (label.Length > MaxNameLength) return (RefusalCause.BadLabel, $"label name \"{Short(label)}\" of {name} is {label.Length} characters long; at most {MaxNameLength} are allowed");
            if (label == LabelSet.NameLabel) return (RefusalCause.BadLabel, $"{name} gives its metric name again as the label __name__");
            if (!seen.Add(label)) return (RefusalCause.BadLabel, $"label \"{label}\" of {name} is given twice");
            // It becomes the key of a grain and of database rows, which take neither.
            if (label == "job" && ((value.Length > 0 && string.IsNullOrWhiteSpace(value)) || value.Contains('\0', StringComparison.Ordinal)))
                return (RefusalCause.BadLabel, $"label \"job\" of {name} is blank or contains the character 0: it names the service");
            var bytes = Encoding.UTF8.GetByteCount(value);
            if (bytes > MaxValueBytes) return (RefusalCause.BadLabel, $"label \"{label}\" of {name} is {bytes} bytes long; at most {MaxValueBytes} are allowed");
        }
        return null;
    }

    /// <summary>Any text that is not empty, as in Prometheus 3. What is no UTF-8 has been refused where bytes became text, or is a half of a surrogate pair here.</summary>
    public static bool IsName(string name) => name.Length > 0 && GoText.IsValidUtf8(name);

    // A refusal must not echo megabytes back.
    private static string Short(string text) => text.Length <= 80 ? text : string.Concat(text.AsSpan(0, 77), "...");
}
