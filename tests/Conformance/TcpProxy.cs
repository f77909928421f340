using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Vigil.Conformance;

/// <summary>Stands between client and server so that a test can cut the line.</summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentBag<Socket> sockets = [];
    private readonly CancellationTokenSource stop = new();
    private readonly Uri target;
    private readonly Task accepting;

    public TcpProxy(Uri target)
    {
        this.target = target;
        listener.Start();
        accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await listener.AcceptSocketAsync(stop.Token);
                var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(near);
                sockets.Add(far);
                await far.ConnectAsync(target.Host, target.Port, stop.Token);
                _ = CopyAsync(near, far);
                _ = CopyAsync(far, near);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, stop.Token) is > 0 and var read)
                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), stop.Token);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut, by one side or by the test.
        }
        to.Dispose();
    }

    /// <summary>Drops every connection as a pulled cable with a reset would; new ones are accepted.</summary>
    public void Cut()
    {
        while (sockets.TryTake(out var socket)) socket.Close(0);
    }

    public async ValueTask DisposeAsync()
    {
        stop.Cancel();
        await accepting;
        listener.Stop();
        Cut();
        stop.Dispose();
    }
}
