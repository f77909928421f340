using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Vigil.Testing;

/// <summary>Stands between client and server so that a test can cut the line, or let it go dead without a word.</summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentBag<Socket> sockets = [];
    private readonly List<Line> lines = [];
    private readonly CancellationTokenSource stop = new();
    private readonly Task accepting;

    public TcpProxy(Uri target)
    {
        Target = target;
        listener.Start();
        accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    /// <summary>Where connections go from now on; those that are open stay where they are.</summary>
    public Uri Target { get; set; }

    /// <summary>Sees what clients send, as it passes: the number of the connection, from 0, and some bytes of it.</summary>
    public Action<int, ReadOnlySpan<byte>>? FromClient { get; init; }

    private async Task AcceptAsync()
    {
        try
        {
            for (var number = 0; ; number++)
            {
                var near = await listener.AcceptSocketAsync(stop.Token);
                var far = new Socket(SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(near);
                sockets.Add(far);
                try
                {
                    await far.ConnectAsync(Target.Host, Target.Port, stop.Token);
                }
                catch (SocketException)
                {
                    near.Close(0);
                    continue;
                }
                var line = new Line(number);
                lock (lines) lines.Add(line);
                _ = CopyAsync(near, far, line, FromClient);
                _ = CopyAsync(far, near, line, null);
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task CopyAsync(Socket from, Socket to, Line line, Action<int, ReadOnlySpan<byte>>? seen)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, stop.Token) is > 0 and var read)
            {
                if (line.Dead) continue;
                seen?.Invoke(line.Number, buffer.AsSpan(0, read));
                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), stop.Token);
            }
            // Nothing of a dead line is told to the other side, not even its end.
            if (line.Dead) return;
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

    /// <summary>
    /// The network behind every open connection dies: nothing passes any more, either way, and nobody is told. New connections are
    /// accepted and work.
    /// </summary>
    public void Kill()
    {
        lock (lines)
            foreach (var line in lines) line.Dead = true;
    }

    public async ValueTask DisposeAsync()
    {
        stop.Cancel();
        await accepting;
        listener.Stop();
        Cut();
        stop.Dispose();
    }

    private sealed class Line(int number)
    {
        private volatile bool dead;

        public int Number => number;

        public bool Dead
        {
            get => dead;
            set => dead = value;
        }
    }
}
