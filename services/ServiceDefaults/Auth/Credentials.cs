using System.Text;
using Microsoft.Extensions.Primitives;

namespace Vigil.ServiceDefaults;

/// <summary>What a caller presents in its authorization header.</summary>
/// <param name="Kind">Whether there is a token to look at.</param>
/// <param name="Token">The token.</param>
/// <param name="User">The user name of basic auth, unverified.</param>
internal readonly record struct Credentials(CredentialKind Kind, ReadOnlyMemory<char> Token, string? User)
{
    /// <summary>Reads <c>Bearer TOKEN</c>, or <c>Basic</c> with the token as its password, as Prometheus-style clients send it.</summary>
    public static Credentials Read(StringValues header)
    {
        if (header.Count == 0 || string.IsNullOrEmpty(header[0])) return new(CredentialKind.None, default, null);
        if (header.Count > 1) return new(CredentialKind.Malformed, default, null);
        var text = header[0].AsMemory().Trim();
        if (text.Span.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            var token = text[7..].Trim();
            return token.IsEmpty ? new(CredentialKind.Malformed, default, null) : new(CredentialKind.Token, token, null);
        }
        return text.Span.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) ? ReadBasic(text.Span[6..].Trim()) : new(CredentialKind.Malformed, default, null);
    }

    private static Credentials ReadBasic(ReadOnlySpan<char> base64)
    {
        Span<byte> bytes = stackalloc byte[2048];
        if (base64.Length > 2048 || !Convert.TryFromBase64Chars(base64, bytes, out var length)) return new(CredentialKind.Malformed, default, null);
        var pair = Encoding.UTF8.GetString(bytes[..length]);
        var colon = pair.IndexOf(':');
        return colon < 0 || colon == pair.Length - 1
            ? new(CredentialKind.Malformed, default, null)
            : new(CredentialKind.Token, pair.AsMemory(colon + 1), colon == 0 ? null : pair[..colon]);
    }
}

internal enum CredentialKind
{
    None,
    Malformed,
    Token,
}
