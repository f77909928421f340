using System.Text;
using Vigil.Metrics.Scrape;

namespace Vigil.Metrics.Probes;

/// <summary>Sends PING to Redis, after AUTH where there is a password (redis.io/docs/reference/protocol-spec).</summary>
internal static class RedisProbe
{
    private const int MaxLine = 512;

    public static async Task RunAsync(ScrapeTarget target, ProbeSettings settings, CancellationToken ct)
    {
        await using var stream = await ProbeRunner.ConnectAsync(target.Address, ct).ConfigureAwait(false);
        if (await DatabaseProbe.SecretAsync(settings, ct).ConfigureAwait(false) is { } password)
            await AskAsync(stream, "+OK", ct, settings.User is { } user ? ["AUTH", user, password] : ["AUTH", password]).ConfigureAwait(false);
        await AskAsync(stream, "+PONG", ct, "PING").ConfigureAwait(false);
    }

    private static async Task AskAsync(Stream stream, string expected, CancellationToken ct, params string[] words)
    {
        var request = new StringBuilder($"*{words.Length}\r\n");
        foreach (var word in words) request.Append('$').Append(Encoding.UTF8.GetByteCount(word)).Append("\r\n").Append(word).Append("\r\n");
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request.ToString()), ct).ConfigureAwait(false);
        var answer = await ReadLineAsync(stream, ct).ConfigureAwait(false);
        if (answer != expected) throw new ProbeException($"{words[0]} is answered with {answer}");
    }

    private static async Task<string> ReadLineAsync(Stream stream, CancellationToken ct)
    {
        var line = new byte[MaxLine];
        var length = 0;
        while (length < 2 || line[length - 2] != '\r' || line[length - 1] != '\n')
        {
            if (length == MaxLine) throw new ProbeException($"the answer is longer than {MaxLine} bytes");
            if (await stream.ReadAsync(line.AsMemory(length, 1), ct).ConfigureAwait(false) == 0) throw new ProbeException("the connection was closed");
            length++;
        }
        return Encoding.UTF8.GetString(line, 0, length - 2);
    }
}
