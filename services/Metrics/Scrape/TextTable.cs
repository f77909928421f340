using System.Diagnostics.CodeAnalysis;

namespace Vigil.Metrics.Scrape;

/// <summary>Values by the bytes of a text, looked up without making a key of them.</summary>
internal sealed class TextTable<T> where T : class
{
    private readonly Dictionary<byte[], T> entries = new(Bytes.Instance);
    private readonly Dictionary<byte[], T>.AlternateLookup<ReadOnlySpan<byte>> lookup;

    public TextTable() => lookup = entries.GetAlternateLookup<ReadOnlySpan<byte>>();

    public int Count => entries.Count;

    public IEnumerable<T> Values => entries.Values;

    public bool TryGet(ReadOnlySpan<byte> text, [NotNullWhen(true)] out T? value) => lookup.TryGetValue(text, out value);

    /// <summary>Adds an entry; returns the array that the text is kept in.</summary>
    public byte[] Add(ReadOnlySpan<byte> text, T value)
    {
        var kept = text.ToArray();
        entries.Add(kept, value);
        return kept;
    }

    public void Clear() => entries.Clear();

    /// <summary>Removes the entries that <paramref name="gone"/> holds for.</summary>
    public void RemoveAll(Predicate<T> gone)
    {
        foreach (var (text, value) in entries)
        {
            if (gone(value)) entries.Remove(text);
        }
    }

    private sealed class Bytes : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly Bytes Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] bytes) => GetHashCode(bytes.AsSpan());

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            // Seeded anew in each process: what a target exposes cannot be chosen to collide.
            var hash = new HashCode();
            hash.AddBytes(alternate);
            return hash.ToHashCode();
        }

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
