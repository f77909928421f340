using System.Security.Cryptography;
using System.Text;

namespace Vigil.ServiceDefaults;

/// <summary>The accepted tokens, as hashes. A look-up compares with every one of them in constant time.</summary>
internal sealed class TokenTable
{
    /// <summary>Longer ones are refused unread. Bytes of UTF-8.</summary>
    public const int MaxTokenBytes = 1024;

    private readonly Entry[] entries;

    public TokenTable(AuthOptions options)
    {
        entries =
        [
            .. from pair in options.TokenHashes
               from text in pair.Value
               where !string.IsNullOrWhiteSpace(text)
               let entry = Read(pair.Key, text)
               select entry,
        ];
    }

    /// <summary>Finds whose token this is; the strongest scope where one token stands under several.</summary>
    public bool TryFind(ReadOnlySpan<char> token, out Scopes scopes, out string name)
    {
        scopes = default;
        name = "";
        if (token.Length > MaxTokenBytes || Encoding.UTF8.GetByteCount(token) > MaxTokenBytes) return false;
        Span<byte> bytes = stackalloc byte[MaxTokenBytes];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(token, bytes)], hash);
        foreach (var entry in entries)
        {
            if (!CryptographicOperations.FixedTimeEquals(entry.Hash, hash)) continue;
            scopes = scopes.With(entry.Scope);
            name = entry.Name;
        }
        return !scopes.IsEmpty;
    }

    public static bool TryReadHash(string text, out string? name, out byte[] hash)
    {
        var split = text.LastIndexOf('=');
        name = split > 0 ? text[..split].Trim() : null;
        var hex = text.AsSpan(split + 1).Trim();
        hash = [];
        if (hex.Length != 64) return false;
        foreach (var c in hex)
        {
            if (!char.IsAsciiHexDigit(c)) return false;
        }
        hash = Convert.FromHexString(hex);
        return true;
    }

    private static Entry Read(string scope, string text)
    {
        if (!TryReadHash(text, out var name, out var hash)) throw new ArgumentException("not a token hash");
        var parsed = Enum.Parse<Scope>(scope, ignoreCase: true);
        // Without a name, enough of the hash to tell tokens apart; it says nothing of the token.
        return new Entry(parsed, name ?? $"{parsed.ToString().ToLowerInvariant()}-{Convert.ToHexStringLower(hash.AsSpan(0, 4))}", hash);
    }

    private sealed record Entry(Scope Scope, string Name, byte[] Hash);
}

/// <summary>A set of scopes.</summary>
internal readonly record struct Scopes(int Bits)
{
    public bool IsEmpty => Bits == 0;

    public Scopes With(Scope scope) => new(Bits | (1 << (int)scope));

    public bool Allow(Scope needed)
    {
        for (var s = Scope.Ingest; s <= Scope.Admin; s++)
        {
            if ((Bits & (1 << (int)s)) != 0 && s.Allows(needed)) return true;
        }
        return false;
    }

    public override string ToString()
    {
        var bits = Bits;
        return string.Join(", ", Enum.GetValues<Scope>().Where(s => (bits & (1 << (int)s)) != 0).Select(s => s.ToString().ToLowerInvariant()));
    }
}
