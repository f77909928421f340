using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Probes;

/// <summary>A Redis of its own, on a free port.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly Process process;
    private readonly string folder;

    private RedisServer(Process process, string folder, string address) => (this.process, this.folder, Address) = (process, folder, address);

    public string Address { get; }

    public static async Task<RedisServer> StartAsync(string password)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        var folder = Directory.CreateTempSubdirectory("vigil-redis-").FullName;
        var start = new ProcessStartInfo(Needs.Require("redis-server"), ["--port", $"{port}", "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--requirepass", password]) { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var server = new RedisServer(process, folder, $"127.0.0.1:{port}");
        await Waiting.Until(async () =>
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }, "Redis takes connections");
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync().DefaultTimeout();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
