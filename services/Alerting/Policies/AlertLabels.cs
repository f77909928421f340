using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Vigil.Alerting.Policies;

/// <summary>A set of labels, sorted by name, compared by content.</summary>
internal sealed class AlertLabels : IReadOnlyDictionary<string, string>, IEquatable<AlertLabels>
{
    public static readonly AlertLabels Empty = new([]);

    private readonly KeyValuePair<string, string>[] pairs;
    private string? fingerprint;

    private AlertLabels(KeyValuePair<string, string>[] sorted) => pairs = sorted;

    /// <summary>Labels with an empty value are as good as absent, and dropped, as in Prometheus.</summary>
    public static AlertLabels From(IEnumerable<KeyValuePair<string, string>> labels)
    {
        var sorted = labels.Where(l => l.Value.Length > 0).ToArray();
        Array.Sort(sorted, (a, b) => string.CompareOrdinal(a.Key, b.Key));
        return new AlertLabels(sorted);
    }

    /// <summary>
    /// Prometheus' fingerprint: FNV-1a of 64 bits over name, 0xFF, value, 0xFF of each label in order of names, as 16
    /// hexadecimal digits (prometheus/common, model/signature.go). Alertmanager's API uses the same.
    /// </summary>
    public string Fingerprint => fingerprint ??= ComputeFingerprint();

    public int Count => pairs.Length;

    public IEnumerable<string> Keys => pairs.Select(p => p.Key);

    public IEnumerable<string> Values => pairs.Select(p => p.Value);

    public string this[string key] => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException(key);

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        foreach (var pair in pairs)
        {
            if (pair.Key != key) continue;
            value = pair.Value;
            return true;
        }
        value = null;
        return false;
    }

    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, string>>)pairs).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public bool Equals(AlertLabels? other) => other is not null && pairs.AsSpan().SequenceEqual(other.pairs);

    public override bool Equals(object? obj) => Equals(obj as AlertLabels);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var (name, value) in pairs)
        {
            hash.Add(name);
            hash.Add(value);
        }
        return hash.ToHashCode();
    }

    /// <summary>As PromQL writes them: {alertname="HighCpu", instance="a"}</summary>
    public override string ToString() => "{" + string.Join(", ", pairs.Select(p => $"{p.Key}=\"{p.Value}\"")) + "}";

    private string ComputeFingerprint()
    {
        var hash = 14695981039346656037UL;
        Span<byte> buffer = stackalloc byte[512];
        foreach (var (name, value) in pairs)
        {
            hash = Add(Add(hash, name, buffer), value, buffer);
        }
        return hash.ToString("x16");
    }

    private static ulong Add(ulong hash, string text, Span<byte> buffer)
    {
        const ulong prime = 1099511628211UL;
        var length = Encoding.UTF8.GetMaxByteCount(text.Length);
        var bytes = length <= buffer.Length ? buffer : new byte[length];
        foreach (var b in bytes[..Encoding.UTF8.GetBytes(text, bytes)]) hash = (hash ^ b) * prime;
        return (hash ^ 0xFF) * prime;
    }
}
