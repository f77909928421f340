using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Vigil.Testing;

namespace Vigil.PageLatency;

/// <summary>A program that is measured: its output goes to a file, and it ends with this one.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly StreamWriter log;
    private readonly string logPath;

    private ChildProcess(Process process, StreamWriter log, string logPath) => (this.process, this.log, this.logPath) = (process, log, logPath);

    /// <summary>The system's number of it.</summary>
    public int Id => process.Id;

    public static ChildProcess Start(string name, string folder, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var logPath = Path.Combine(folder, $"{name}.log");
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>()) start.Environment[key] = value;
        var child = new ChildProcess(Process.Start(start)!, new StreamWriter(logPath) { AutoFlush = true }, logPath);
        child.process.OutputDataReceived += child.Write;
        child.process.ErrorDataReceived += child.Write;
        child.process.BeginOutputReadLine();
        child.process.BeginErrorReadLine();
        return child;
    }

    /// <summary>A port that was free a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async Task ReadyAsync(Uri url)
    {
        using var http = new HttpClient();
        await Waiting.Until(async () =>
        {
            if (process.HasExited) throw new InvalidOperationException($"it ended with code {process.ExitCode}:\n{Tail()}");
            try
            {
                return (await http.GetAsync(url)).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, $"{url} answers");
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
        await log.DisposeAsync();
    }

    private void Write(object sender, DataReceivedEventArgs line)
    {
        lock (log)
        {
            if (line.Data is not null) log.WriteLine(line.Data);
        }
    }

    private string Tail() => string.Join('\n', File.ReadLines(logPath).TakeLast(20));
}
