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
        var line = Encoding.UTF8.GetBytes(WebhookPayload.Line(page) + "\n");
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder) Directory.CreateDirectory(folder);
            // Opened for each page, so that rotating the file away needs no signal; pages are rare.
            var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            await using (file.ConfigureAwait(false))
            {
                await file.WriteAsync(line, ct).ConfigureAwait(false);
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
}
