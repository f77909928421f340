using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>The symbol table of a remote write 2.0 request: its series name their labels by positions in it.</summary>
internal sealed class RemoteWriteSymbols(ReadOnlyMemory<byte> body, SeriesCache cache)
{
    private const int KeyBytes = 16;

    private readonly List<Symbol> symbols = [];
    private readonly List<ulong> unpacked = [];

    /// <summary>Reads the table, wherever in the request its entries stand. False where the request is no message.</summary>
    public bool TryRead()
    {
        var input = new WireReader(body.Span);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            if (tag != RemoteWriteFormat.SymbolTag)
            {
                if (!input.TrySkip((int)(tag & 7))) return false;
                continue;
            }
            if (!input.TryBytes(out var text)) return false;
            symbols.Add(new Symbol(input.Position - text.Length, text.Length, cache.KeyOf(text)));
        }
        return true;
    }

    /// <summary>The key of a series by the texts that its labels stand for: their positions differ from request to request.</summary>
    /// <param name="field">The field of its labels, with tag and length. False where it is not the one packed field that it should be.</param>
    /// <param name="key">The key.</param>
    public bool TryKey(ReadOnlySpan<byte> field, out UInt128 key)
    {
        key = default;
        var input = new WireReader(field);
        if (field.IsEmpty || !input.TryVarint(out _) || !input.TryBytes(out var packed) || !input.IsAtEnd) return false;
        var length = WireReader.CountVarints(packed) * KeyBytes;
        Span<byte> small = stackalloc byte[64 * KeyBytes];
        var keys = length <= small.Length ? small[..length] : new byte[length];
        var refs = new WireReader(packed);
        for (var rest = keys; !refs.IsAtEnd; rest = rest[KeyBytes..])
        {
            if (!refs.TryVarint(out var position) || position >= (ulong)symbols.Count) return false;
            BinaryPrimitives.WriteUInt128LittleEndian(rest, symbols[(int)position].Key);
        }
        key = cache.KeyOf(keys);
        return true;
    }

    /// <summary>Reads labels: positions of name, value, name, value, ...</summary>
    public bool TryRead(ReadOnlySpan<byte> packed, List<Label> labels, out string fault)
    {
        var refs = new WireReader(packed);
        while (!refs.IsAtEnd)
        {
            fault = "labels_refs: positions of the symbol table in pairs are needed";
            if (!refs.TryVarint(out var name) || !refs.TryVarint(out var value)) return false;
            if (!TryAdd(name, value, labels, out fault)) return false;
        }
        fault = "";
        return true;
    }

    /// <summary>Begins another series.</summary>
    public void Begin() => unpacked.Clear();

    /// <summary>Takes a position that stands alone, as old senders write repeated numbers.</summary>
    public void Unpacked(ulong position, List<Label> labels)
    {
        unpacked.Add(position);
        if (unpacked.Count < 2) return;
        // What is not in the table shows as a series without a name.
        TryAdd(unpacked[0], unpacked[1], labels, out _);
        unpacked.Clear();
    }

    /// <summary>Reads what a series says of itself: type in field 1, the positions of its help in 3, of its unit in 4.</summary>
    public void ReadMetadata(ReadOnlySpan<byte> bytes, out SeriesKind kind, out string help, out string unit)
    {
        (kind, help, unit) = (SeriesKind.Unknown, "", "");
        var input = new WireReader(bytes);
        while (!input.IsAtEnd && input.TryVarint(out var tag))
        {
            switch (tag)
            {
                case 1 << 3 when input.TryVarint(out var type):
                    kind = type switch { 1 or 3 or 5 => SeriesKind.Counter, 2 or 4 => SeriesKind.Gauge, _ => SeriesKind.Unknown };
                    break;
                case 3 << 3 when input.TryVarint(out var position) && TryText(position, out var text):
                    help = text;
                    break;
                case 4 << 3 when input.TryVarint(out var position) && TryText(position, out var text):
                    unit = text;
                    break;
                case not (1 << 3 or 3 << 3 or 4 << 3):
                    input.TrySkip((int)(tag & 7));
                    break;
            }
        }
    }

    private bool TryAdd(ulong name, ulong value, List<Label> labels, out string fault)
    {
        fault = name >= (ulong)symbols.Count || value >= (ulong)symbols.Count
            ? $"labels_refs: position {Math.Max(name, value)} is outside of the symbol table, which has {symbols.Count} entries"
            : "a label is no text of UTF-8";
        if (!TryText(name, out var nameText) || !TryText(value, out var valueText)) return false;
        labels.Add(new Label(nameText, valueText));
        fault = "";
        return true;
    }

    private bool TryText(ulong position, out string text)
    {
        text = "";
        if (position >= (ulong)symbols.Count) return false;
        var (start, length, _) = symbols[(int)position];
        var bytes = body.Span.Slice(start, length);
        if (!Utf8.IsValid(bytes)) return false;
        text = Encoding.UTF8.GetString(bytes);
        return true;
    }

    private readonly record struct Symbol(int Start, int Length, UInt128 Key);
}
