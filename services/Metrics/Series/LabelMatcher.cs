using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>How a matcher compares.</summary>
internal enum MatchKind
{
    /// <summary>=</summary>
    Equal,

    /// <summary>!=</summary>
    NotEqual,

    /// <summary>=~, anchored at both ends.</summary>
    Regex,

    /// <summary>!~, anchored at both ends.</summary>
    NotRegex,
}

/// <summary>
/// One condition on a label. An absent label has the empty value, as in Prometheus: <c>a=""</c> holds where there is no label a.
/// Regular expressions run without backtracking, so that no expression can take more than linear time.
/// </summary>
internal sealed class LabelMatcher : IEquatable<LabelMatcher>
{
    /// <summary>The longest regular expression taken, in UTF-16 units.</summary>
    public const int MaxPatternLength = 4_096;

    private readonly ValuePattern? pattern;

    private LabelMatcher(string name, MatchKind kind, string value, ValuePattern? pattern)
    {
        Name = name;
        Kind = kind;
        Value = value;
        this.pattern = pattern;
        MatchesEmpty = Matches("");
    }

    /// <summary>The label's name; <c>__name__</c> for the metric name.</summary>
    public string Name { get; }

    /// <summary>How <see cref="Value"/> is compared.</summary>
    public MatchKind Kind { get; }

    /// <summary>The text, or the regular expression as written.</summary>
    public string Value { get; }

    /// <summary>It holds where the label is absent.</summary>
    public bool MatchesEmpty { get; }

    /// <summary>Makes a matcher; false with a reason where the regular expression is refused.</summary>
    public static bool TryCreate(string name, MatchKind kind, string value, out LabelMatcher? matcher, out string? error)
    {
        ValuePattern? pattern = null;
        if (kind is MatchKind.Regex or MatchKind.NotRegex)
        {
            if (value.Length > MaxPatternLength)
            {
                matcher = null;
                error = $"regular expression is longer than {MaxPatternLength} characters";
                return false;
            }
            try
            {
                pattern = new ValuePattern(value);
            }
            catch (FormatException e)
            {
                matcher = null;
                error = e.Message;
                return false;
            }
        }
        matcher = new LabelMatcher(name, kind, value, pattern);
        error = null;
        return true;
    }

    /// <summary>Makes a matcher from parts that are known to be right.</summary>
    /// <exception cref="ArgumentException">The regular expression is refused.</exception>
    public static LabelMatcher Create(string name, MatchKind kind, string value) =>
        TryCreate(name, kind, value, out var matcher, out var error) ? matcher! : throw new ArgumentException(error, nameof(value));

    /// <summary>Whether a label with this value (empty: absent) is taken.</summary>
    public bool Matches(string value) => Kind switch
    {
        MatchKind.Equal => string.Equals(value, Value, StringComparison.Ordinal),
        MatchKind.NotEqual => !string.Equals(value, Value, StringComparison.Ordinal),
        MatchKind.Regex => pattern!.IsMatch(value),
        _ => !pattern!.IsMatch(value),
    };

    /// <summary>Whether all matchers hold for a series.</summary>
    public static bool AllMatch(IReadOnlyList<LabelMatcher> matchers, LabelSet labels)
    {
        for (var i = 0; i < matchers.Count; i++)
        {
            if (!matchers[i].Matches(labels.Get(matchers[i].Name))) return false;
        }
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(LabelMatcher? other) => other is not null && Name == other.Name && Kind == other.Kind && Value == other.Value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LabelMatcher);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Kind, Value);

    /// <summary>As PromQL writes it.</summary>
    public override string ToString() => Name + Kind switch
    {
        MatchKind.Equal => "=",
        MatchKind.NotEqual => "!=",
        MatchKind.Regex => "=~",
        _ => "!~",
    } + "\"" + Value + "\"";
}
