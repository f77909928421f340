using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>What a relabelling rule does (prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).</summary>
internal enum RelabelAction
{
    /// <summary>Sets a label by the expression's groups.</summary>
    Replace,

    /// <summary>Drops what does not match.</summary>
    Keep,

    /// <summary>Drops what matches.</summary>
    Drop,

    /// <summary>Drops what differs from a label.</summary>
    KeepEqual,

    /// <summary>Drops what is the same as a label.</summary>
    DropEqual,

    /// <summary>Sets a label to a hash, modulo a number.</summary>
    HashMod,

    /// <summary>Copies labels whose name matches to other names.</summary>
    LabelMap,

    /// <summary>Removes labels whose name matches.</summary>
    LabelDrop,

    /// <summary>Removes labels whose name does not match.</summary>
    LabelKeep,

    /// <summary>Sets a label to the value in lower case.</summary>
    Lowercase,

    /// <summary>Sets a label to the value in upper case.</summary>
    Uppercase,
}

/// <summary>One relabelling rule, as Prometheus has them.</summary>
internal sealed record RelabelRule
{
    /// <summary>What it does.</summary>
    public RelabelAction Action { get; init; } = RelabelAction.Replace;

    /// <summary>Labels whose values, joined by <see cref="Separator"/>, are matched.</summary>
    public IReadOnlyList<string> SourceLabels { get; init; } = [];

    /// <summary>Stands between the values.</summary>
    public string Separator { get; init; } = ";";

    /// <summary>Must match the whole value; null for <c>(.*)</c>, which always does.</summary>
    public Re2? Pattern { get; init; }

    /// <summary>The label that is set or compared with.</summary>
    public string TargetLabel { get; init; } = "";

    /// <summary>What it is set to, with $1 for what the first group found.</summary>
    public string Replacement { get; init; } = "$1";

    /// <summary>What the hash is taken modulo.</summary>
    public ulong Modulus { get; init; }

    /// <summary>Applies rules in their order.</summary>
    /// <returns>False where the target or series is dropped.</returns>
    public static bool Apply(IReadOnlyList<RelabelRule> rules, Dictionary<string, string> labels)
    {
        foreach (var rule in rules)
        {
            if (!rule.Apply(labels)) return false;
        }
        return true;
    }

    /// <summary>The same for a whole set; null where it is dropped.</summary>
    public static LabelSet? Apply(IReadOnlyList<RelabelRule> rules, LabelSet labels)
    {
        if (rules.Count == 0) return labels;
        var edited = labels.AsLabels().ToDictionary(l => l.Name, l => l.Value, StringComparer.Ordinal);
        return Apply(rules, edited) ? LabelSet.Create(edited.Select(l => new Label(l.Key, l.Value))) : null;
    }

    private bool Apply(Dictionary<string, string> labels)
    {
        switch (Action)
        {
            case RelabelAction.Replace:
                Replace(labels);
                return true;
            case RelabelAction.Keep:
                return IsMatch(Source(labels));
            case RelabelAction.Drop:
                return !IsMatch(Source(labels));
            case RelabelAction.KeepEqual:
                return Source(labels) == labels.GetValueOrDefault(TargetLabel, "");
            case RelabelAction.DropEqual:
                return Source(labels) != labels.GetValueOrDefault(TargetLabel, "");
            case RelabelAction.HashMod:
                Set(labels, TargetLabel, (Hash(Source(labels)) % Modulus).ToString(System.Globalization.CultureInfo.InvariantCulture));
                return true;
            case RelabelAction.LabelMap:
                foreach (var (name, value) in labels.ToArray())
                {
                    if (Expand(Replacement, name) is { } mapped) Set(labels, mapped, value);
                }
                return true;
            case RelabelAction.LabelDrop:
                foreach (var name in labels.Keys.Where(IsMatch).ToArray()) labels.Remove(name);
                return true;
            case RelabelAction.LabelKeep:
                foreach (var name in labels.Keys.Where(n => !IsMatch(n)).ToArray()) labels.Remove(name);
                return true;
            case RelabelAction.Lowercase:
                Set(labels, TargetLabel, Source(labels).ToLowerInvariant());
                return true;
            default:
                Set(labels, TargetLabel, Source(labels).ToUpperInvariant());
                return true;
        }
    }

    private void Replace(Dictionary<string, string> labels)
    {
        var source = Source(labels);
        if (Expand(TargetLabel, source) is not { } target || !LabelNames.IsValid(target)) return;
        Set(labels, target, Expand(Replacement, source)!);
    }

    /// <summary>The template with the groups that the pattern finds; null where it does not match.</summary>
    private string? Expand(string template, string value)
    {
        if (Pattern is null && template is "$1" or "${1}") return value;
        if (!template.Contains('$', StringComparison.Ordinal)) return IsMatch(value) ? template : null;
        return (Pattern ?? Everything).Expand(template, value);
    }

    private static readonly Re2 Everything = Re2.Compile("(.*)");

    private bool IsMatch(string value) => Pattern is null || Pattern.IsMatch(value);

    private string Source(Dictionary<string, string> labels) => SourceLabels.Count == 1
        ? labels.GetValueOrDefault(SourceLabels[0], "")
        : string.Join(Separator, SourceLabels.Select(name => labels.GetValueOrDefault(name, "")));

    // An empty label is an absent one.
    private static void Set(Dictionary<string, string> labels, string name, string value)
    {
        if (value.Length == 0) labels.Remove(name);
        else labels[name] = value;
    }

    [SuppressMessage("Security", "CA5351", Justification = "Nothing is kept secret by it: targets must fall to the same shard as in Prometheus.")]
    private static ulong Hash(string value)
    {
        Span<byte> hash = stackalloc byte[MD5.HashSizeInBytes];
        MD5.HashData(Encoding.UTF8.GetBytes(value), hash);
        return BinaryPrimitives.ReadUInt64BigEndian(hash[8..]);
    }
}
