using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Grpc.Core.Internal;

/// <summary>Names and encodings of gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), shared by client and server.</summary>
internal static class GrpcProtocol
{
    public const string ContentType = "application/grpc";
    public const string Timeout = "grpc-timeout";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string Identity = "identity";
    public const string Gzip = "gzip";
    public const string RetryPushback = "grpc-retry-pushback-ms";
    public const string PreviousAttempts = "grpc-previous-rpc-attempts";

    /// <summary>A header that asks, inside this process, for the response to be compressed; never sent.</summary>
    public const string InternalEncodingRequest = "grpc-internal-encoding-request";

    /// <summary>The default limit on a received message, as in every gRPC library: 4 MiB.</summary>
    public const int DefaultMaxReceiveMessageSize = 4 * 1024 * 1024;

    /// <summary>The longest time a grpc-timeout can say in seconds: eight digits.</summary>
    public static readonly TimeSpan MaxTimeout = TimeSpan.FromSeconds(99_999_999);

    private static readonly string[] StatusTexts = [.. Enumerable.Range(0, 17).Select(i => i.ToString(CultureInfo.InvariantCulture))];

    /// <summary>The code as it stands in grpc-status, without an allocation.</summary>
    public static string StatusText(StatusCode code) =>
        (uint)code < (uint)StatusTexts.Length ? StatusTexts[(int)code] : ((int)code).ToString(CultureInfo.InvariantCulture);

    /// <summary>Whether a content type is application/grpc, alone or with a suffix or parameters.</summary>
    public static bool IsGrpcContentType(string? contentType) =>
        contentType is not null && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is '+' or ';');

    /// <summary>Percent-encodes a grpc-message: UTF-8, with everything outside printable ASCII and '%' itself as %XX.</summary>
    public static string EncodeMessage(string message)
    {
        var first = 0;
        while (first < message.Length && IsPlain(message[first])) first++;
        if (first == message.Length) return message;
        // A lone surrogate becomes U+FFFD, as in any UTF-8 encoder: the message is for people, the call must not fail on it.
        var utf8 = System.Text.Encoding.UTF8.GetBytes(message);
        var text = new StringBuilder(utf8.Length + 16);
        foreach (var b in utf8)
        {
            if (IsPlain((char)b)) text.Append((char)b);
            else text.Append('%').Append(Hex(b >> 4)).Append(Hex(b & 15));
        }
        return text.ToString();

        static bool IsPlain(char c) => c is >= ' ' and <= '~' and not '%';
        static char Hex(int digit) => (char)(digit < 10 ? '0' + digit : 'A' + digit - 10);
    }

    /// <summary>Decodes a grpc-message; what is not a valid escape stays as it is.</summary>
    public static string DecodeMessage(string encoded)
    {
        if (!encoded.Contains('%')) return encoded;
        var bytes = new byte[System.Text.Encoding.UTF8.GetMaxByteCount(encoded.Length)];
        var length = 0;
        for (var i = 0; i < encoded.Length; i++)
        {
            if (encoded[i] == '%' && i + 2 < encoded.Length && char.IsAsciiHexDigit(encoded[i + 1]) && char.IsAsciiHexDigit(encoded[i + 2]))
            {
                bytes[length++] = byte.Parse(encoded.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 2;
            }
            else
            {
                length += System.Text.Encoding.UTF8.GetBytes(encoded.AsSpan(i, 1), bytes.AsSpan(length));
            }
        }
        return System.Text.Encoding.UTF8.GetString(bytes, 0, length);
    }

    /// <summary>A binary value as it is sent: base64 without padding, as the specification asks of senders.</summary>
    public static string EncodeBinary(ReadOnlySpan<byte> value) => Convert.ToBase64String(value).TrimEnd('=');

    /// <summary>One binary value as received, with or without padding; false where it is no base64.</summary>
    public static bool TryDecodeBinary(ReadOnlySpan<char> encoded, out byte[] value)
    {
        encoded = encoded.Trim().TrimEnd('=');
        value = [];
        if (encoded.Length % 4 == 1) return false;
        Span<char> padded = encoded.Length <= 512 ? stackalloc char[encoded.Length + 2] : new char[encoded.Length + 2];
        encoded.CopyTo(padded);
        padded[encoded.Length..].Fill('=');
        padded = padded[..((encoded.Length + 3) / 4 * 4)];
        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(padded.Length)];
        if (!Convert.TryFromBase64Chars(padded, bytes, out var written)) return false;
        value = written == bytes.Length ? bytes : bytes[..written];
        return true;
    }

    /// <summary>
    /// Adds a header line as received to metadata. Binary values may be several, joined by commas; what is no base64 is
    /// left out and false returned, so that the caller can refuse or log it.
    /// </summary>
    public static bool AddReceived(Metadata metadata, string key, string value)
    {
        var lower = key.ToLowerInvariant();
        if (!Metadata.Entry.IsBinaryKey(lower))
        {
            metadata.Add(Metadata.Entry.FromWire(lower, value));
            return true;
        }
        var valid = true;
        foreach (var range in value.AsSpan().Split(','))
        {
            if (TryDecodeBinary(value.AsSpan(range), out var bytes)) metadata.Add(Metadata.Entry.FromWire(lower, bytes));
            else valid = false;
        }
        return valid;
    }

    /// <summary>The value of an entry as it is sent.</summary>
    public static string EncodeValue(Metadata.Entry entry) => entry.IsBinary ? EncodeBinary(entry.RawBytes) : entry.Value;

    /// <summary>
    /// A time as grpc-timeout: the finest unit in which it fits eight digits, rounded up so that the peer never gives up
    /// before us. What has passed already is one nanosecond.
    /// </summary>
    public static string EncodeTimeout(TimeSpan timeout)
    {
        const long MaxValue = 99_999_999;
        if (timeout <= TimeSpan.Zero) return "1n";
        var ticks = timeout.Ticks;
        if (ticks <= MaxValue / 100) return Text(ticks * 100, 'n');
        if (Up(TimeSpan.TicksPerMicrosecond) <= MaxValue) return Text(Up(TimeSpan.TicksPerMicrosecond), 'u');
        if (Up(TimeSpan.TicksPerMillisecond) <= MaxValue) return Text(Up(TimeSpan.TicksPerMillisecond), 'm');
        if (Up(TimeSpan.TicksPerSecond) <= MaxValue) return Text(Up(TimeSpan.TicksPerSecond), 'S');
        return Up(TimeSpan.TicksPerMinute) <= MaxValue ? Text(Up(TimeSpan.TicksPerMinute), 'M') : Text(Math.Min(MaxValue, Up(TimeSpan.TicksPerHour)), 'H');

        long Up(long unit) => ticks / unit + (ticks % unit == 0 ? 0 : 1);
        static string Text(long value, char unit) => string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }

    /// <summary>Reads a grpc-timeout: one to eight digits and a unit. Capped at <see cref="MaxTimeout"/>.</summary>
    public static bool TryDecodeTimeout(ReadOnlySpan<char> text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9 || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var value)) return false;
        // A fraction of a tick rounds up: "1n" is short, not "no deadline".
        long? ticks = text[^1] switch
        {
            'n' => (value + 99) / 100,
            'u' => value * TimeSpan.TicksPerMicrosecond,
            'm' => value * TimeSpan.TicksPerMillisecond,
            'S' => value * TimeSpan.TicksPerSecond,
            'M' => value * TimeSpan.TicksPerMinute,
            'H' => value * TimeSpan.TicksPerHour,
            _ => null,
        };
        if (ticks is null) return false;
        timeout = TimeSpan.FromTicks(Math.Min(ticks.Value, MaxTimeout.Ticks));
        return true;
    }
}
