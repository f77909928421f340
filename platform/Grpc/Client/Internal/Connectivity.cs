using System.Net;
using System.Net.Sockets;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>Makes a channel's connections and knows how many there are.</summary>
internal sealed class Connectivity(DnsEndPoint server, bool secure, TimeProvider time, TimeSpan firstWait, TimeSpan? longestWait) : IDisposable
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = New();
    private ConnectivityState state = ConnectivityState.Idle;
    private Socket? spare;
    private int open;
    private int connecting;

    public bool MayUseProxy => secure;

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConnectivityState State
    {
        get { lock (gate) return state; }
    }

    /// <summary>The handler's way to a connection; takes the one that <see cref="WarmUpAsync"/> made, if it is still good.</summary>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        if (context.DnsEndPoint.Equals(server) && Interlocked.Exchange(ref spare, null) is { } ready)
        {
            // Readable means closed by the peer: an HTTP/2 server over TCP speaks only when spoken to.
            if (!ready.Poll(TimeSpan.Zero, SelectMode.SelectRead)) return new Connection(ready, this);
            ready.Dispose();
            Closed();
        }
        return new Connection(await OpenAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false), this);
    }

    private async Task<Socket> OpenAsync(DnsEndPoint endpoint, CancellationToken cancellationToken)
    {
        Move(connectingBy: 1);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            socket.Dispose();
            Move(connectingBy: -1, failed: e is SocketException);
            throw;
        }
        Move(connectingBy: -1, openBy: 1);
        return socket;
    }

    /// <summary>Opens a connection for the first call to use, trying again until it succeeds.</summary>
    public async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        for (var wait = firstWait; ; wait = longestWait < wait * 1.6 ? longestWait.Value : wait * 1.6)
        {
            lock (gate)
            {
                ObjectDisposedException.ThrowIf(state == ConnectivityState.Shutdown, typeof(GrpcChannel));
                if (open > 0) return;
            }
            try
            {
                var socket = await OpenAsync(server, cancellationToken).ConfigureAwait(false);
                if (Interlocked.CompareExchange(ref spare, socket, null) is null) return;
                socket.Dispose();
                Closed();
                return;
            }
            catch (SocketException)
            {
                // State says TransientFailure; the next try follows.
            }
            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
        }
    }

    public async Task WaitForChangeAsync(ConnectivityState last, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (state != last) return;
                wait = changed.Task;
            }
            await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Closed() => Move(openBy: -1);

    private void Move(int connectingBy = 0, int openBy = 0, bool failed = false)
    {
        lock (gate)
        {
            connecting += connectingBy;
            open += openBy;
            if (state == ConnectivityState.Shutdown) return;
            Become(open > 0 ? ConnectivityState.Ready
                : connecting > 0 ? ConnectivityState.Connecting
                : failed ? ConnectivityState.TransientFailure
                : ConnectivityState.Idle);
        }
    }

    private void Become(ConnectivityState next)
    {
        if (state == next) return;
        state = next;
        changed.TrySetResult();
        changed = New();
    }

    public void Dispose()
    {
        lock (gate) Become(ConnectivityState.Shutdown);
        Interlocked.Exchange(ref spare, null)?.Dispose();
    }

    /// <summary>The socket's stream; its end is counted.</summary>
    private sealed class Connection(Socket socket, Connectivity owner) : NetworkStream(socket, ownsSocket: true)
    {
        private int closed;

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            if (Interlocked.Exchange(ref closed, 1) == 0) owner.Closed();
        }
    }
}
