using System.Text;

namespace Vigil.Alerting.Notify;

/// <summary>One line of JSON per page, on the disk before it counts as delivered.</summary>
internal sealed class FileChannel(string path) : IChannel, IDisposable
{
    private readonly SemaphoreSlim gate = new(1, 1);

    public string Name => "file";

    public string Kind => "file";

    public string Target => path;

    public IReadOnlyCollection<string> Severities => [];

    public async Task<SendResult> SendAsync(Page page, CancellationToken ct)
    {
        var line = Encoding.UTF8.GetBytes("\n" + WebhookPayload.Line(page) + "\n").AsMemory();
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder) Directory.CreateDirectory(folder);
            // Opened for each page, so that rotating the file away needs no signal; pages are rare.
            // Without a buffer, so that a line is one write.
            var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            await using (file.ConfigureAwait(false))
            {
                // The disk was full, or we were killed, in the middle of the last one: what is left of it gets a line of its own.
                if (!IsTorn(file)) line = line[1..];
                // Not cancelled: a part of a line helps nobody.
                await file.WriteAsync(line, CancellationToken.None).ConfigureAwait(false);
                file.Flush(flushToDisk: true);
            }
            return SendResult.Ok;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return SendResult.Retry("io", e.Message);
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose() => gate.Dispose();

    private bool IsTorn(FileStream file)
    {
        // A pipe or a terminal has no end to look at.
        if (!file.CanSeek || file.Length == 0) return false;
        using var reading = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> last = stackalloc byte[1];
        return RandomAccess.Read(reading, last, file.Length - 1) == 1 && last[0] != (byte)'\n';
    }
}
