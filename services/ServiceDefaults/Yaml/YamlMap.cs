using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Vigil.ServiceDefaults.Yaml;

/// <summary>
/// A mapping of a file of settings while it is being read: hands out values by key, remembers which keys were asked for, and
/// reports with line, column and path what does not fit.
/// </summary>
public sealed class YamlMap
{
    private readonly YamlReport report;
    private readonly string path;
    private readonly YamlMappingNode node;
    private readonly Dictionary<string, (YamlNode Key, YamlNode Value)> entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> known = new(StringComparer.Ordinal);

    /// <summary>Takes a mapping apart; <paramref name="path"/> is its place in the document, empty for the whole.</summary>
    public YamlMap(YamlMappingNode node, string path, YamlReport report)
    {
        this.path = path;
        this.report = report;
        this.node = node;
        foreach (var (key, value) in node.Children)
        {
            if (key is not YamlScalarNode { Value: { } name })
                report.Error(key.Start, path, "a key must be a plain word");
            else if (name == "<<" && value is YamlMappingNode merged)
                foreach (var (mergedKey, mergedValue) in merged.Children) entries.TryAdd(((YamlScalarNode)mergedKey).Value ?? "", (mergedKey, mergedValue));
            else
                entries[name] = (key, value);
        }
    }

    /// <summary>Where it begins.</summary>
    public Mark Start => node.Start;

    /// <summary>The place of a key in the document: groups[0].rules[2].for</summary>
    public string PathOf(string key) => path.Length == 0 ? key : $"{path}.{key}";

    /// <summary>Whether the key is there.</summary>
    public bool Has(string key) => entries.ContainsKey(key);

    /// <summary>Where the value of a key begins; the mapping itself where the key is absent.</summary>
    public Mark MarkOf(string key) => entries.TryGetValue(key, out var entry) ? entry.Value.Start : Start;

    /// <summary>All keys, in order.</summary>
    public IEnumerable<string> Keys => entries.Keys;

    /// <summary>Reports that a value is refused.</summary>
    public void Error(string key, string reason) => report.Error(MarkOf(key), PathOf(key), reason);

    /// <summary>Reports that a value does not do what one might expect.</summary>
    public void Warn(string key, string reason) => report.Warn(MarkOf(key), PathOf(key), reason);

    /// <summary>The text of a scalar; null when absent, or when it is something else (which is reported).</summary>
    public string? Text(string key)
    {
        if (Find(key) is not { } value) return null;
        if (value is YamlScalarNode scalar) return scalar.Value ?? "";
        Error(key, "must be a single value");
        return null;
    }

    /// <summary>A text that must be there; empty, and reported, where it is not.</summary>
    public string Required(string key, string what)
    {
        if (!Has(key)) report.Error(Start, PathOf(key), $"is missing: {what}");
        var text = Text(key) ?? "";
        if (Has(key) && string.IsNullOrWhiteSpace(text)) Error(key, $"is empty: {what}");
        return text;
    }

    /// <summary>A duration as Prometheus writes it; null when absent or refused.</summary>
    public TimeSpan? Duration(string key)
    {
        if (Text(key) is not { } text) return null;
        if (PrometheusDuration.TryParse(text, out var duration, out var reason)) return duration;
        Error(key, reason!);
        return null;
    }

    /// <summary>true or false; null when absent or refused.</summary>
    public bool? Flag(string key)
    {
        if (Text(key) is not { } text) return null;
        if (text is "true" or "false") return text == "true";
        Error(key, $"'{text}' must be true or false");
        return null;
    }

    /// <summary>A whole number between two bounds, both taken; null when absent or refused.</summary>
    public int? WholeNumber(string key, int least, int most)
    {
        if (Text(key) is not { } text) return null;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most) return number;
        Error(key, $"'{text}' must be a whole number from {least} to {most}");
        return null;
    }

    /// <summary>A list of words, or one word standing for a list of one.</summary>
    public IReadOnlyList<string>? Words(string key)
    {
        if (Find(key) is not { } value) return null;
        if (value is YamlScalarNode scalar) return scalar.Value is { Length: > 0 } one ? [one] : [];
        if (value is not YamlSequenceNode sequence)
        {
            Error(key, "must be a word or a list of words");
            return null;
        }
        var words = new List<string>();
        foreach (var item in sequence)
        {
            if (item is YamlScalarNode { Value: { Length: > 0 } word }) words.Add(word);
            else report.Error(item.Start, $"{PathOf(key)}[{words.Count}]", "must be a word");
        }
        return words;
    }

    /// <summary>A mapping; null when absent or refused.</summary>
    public YamlMap? Map(string key)
    {
        if (Find(key) is not { } value || IsNull(value)) return null;
        if (value is YamlMappingNode mapping) return new YamlMap(mapping, PathOf(key), report);
        Error(key, "must be a mapping of keys to values");
        return null;
    }

    /// <summary>A list of mappings; empty when absent.</summary>
    public IEnumerable<YamlMap> Maps(string key)
    {
        if (Find(key) is not { } value || IsNull(value)) yield break;
        if (value is not YamlSequenceNode sequence)
        {
            Error(key, "must be a list");
            yield break;
        }
        for (var i = 0; i < sequence.Children.Count; i++)
        {
            if (sequence.Children[i] is YamlMappingNode mapping) yield return new YamlMap(mapping, $"{PathOf(key)}[{i}]", report);
            else report.Error(sequence.Children[i].Start, $"{PathOf(key)}[{i}]", "must be a mapping of keys to values");
        }
    }

    /// <summary>Texts by name, such as labels.</summary>
    public SortedDictionary<string, string> Texts(string key)
    {
        var texts = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (Map(key) is not { } map) return texts;
        foreach (var name in map.Keys)
            if (map.Text(name) is { } text) texts[name] = text;
        return texts;
    }

    /// <summary>Takes a key for known without reading its value; false where it is absent.</summary>
    public bool Touch(string key) => Find(key) is not null;

    /// <summary>The mapping as text, the same for the same content.</summary>
    public override string ToString() => node.ToString();

    /// <summary>Reports every key that nobody asked for, with the known one that looks most like it.</summary>
    public void RefuseUnknown()
    {
        foreach (var (name, (key, _)) in entries)
        {
            if (known.Contains(name)) continue;
            var near = known.MinBy(k => Distance(k, name));
            report.Error(key.Start, PathOf(name),
                near is not null && Distance(near, name) <= 2 ? $"unknown key; did you mean '{near}'?" : $"unknown key; known are {string.Join(", ", known.Order(StringComparer.Ordinal))}");
        }
    }

    private YamlNode? Find(string key)
    {
        known.Add(key);
        return entries.TryGetValue(key, out var entry) ? entry.Value : null;
    }

    private static bool IsNull(YamlNode node) => node is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" };

    /// <summary>Edits from one to the other: characters put in, left out, changed, or two neighbours swapped (fro, for).</summary>
    private static int Distance(string a, string b)
    {
        var edits = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    edits[i, j] = i + j;
                    continue;
                }
                edits[i, j] = Math.Min(Math.Min(edits[i - 1, j], edits[i, j - 1]) + 1, edits[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) edits[i, j] = Math.Min(edits[i, j], edits[i - 2, j - 2] + 1);
            }
        }
        return edits[a.Length, b.Length];
    }
}
