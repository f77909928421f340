using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Closes the connections that are left when the service stops. The server waits for its clients to close them, for as long as the host has to stop (<see
/// cref="HostOptions.ShutdownTimeout"/>): one that never ends its side of a call, as a client whose program has stopped reading does, would take all of that
/// time, and leave none to those that store what is still to be stored. So connections are cut a moment after the last request was answered, and after
/// half of the time at the latest: a body that never comes to its end is not given up by itself while the server stops.
/// </summary>
internal sealed partial class ConnectionDrain : IStartupFilter, IDisposable
{
    /// <summary>For answers to reach their callers.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    private readonly TimeSpan longest;
    private readonly ILogger<ConnectionDrain> log;
    private readonly CancellationTokenSource cut = new();
    private readonly TaskCompletionSource answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int requests = 1;   // one more until the service stops
    private int connections;

    public ConnectionDrain(IHostApplicationLifetime lifetime, IOptions<HostOptions> host, ILogger<ConnectionDrain> log)
    {
        longest = host.Value.ShutdownTimeout * 0.5;
        this.log = log;
        lifetime.ApplicationStopping.Register(() => _ = CutAsync());
    }

    /// <summary>Of a listener: its connections are cut.</summary>
    public ConnectionDelegate Watch(ConnectionDelegate next) => async connection =>
    {
        using var end = cut.Token.UnsafeRegister(static c => ((ConnectionContext)c!).Abort(new ConnectionAbortedException("the service is stopping")), connection);
        Interlocked.Increment(ref connections);
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref connections);
        }
    };

    /// <summary>Counts requests, before anything else sees them.</summary>
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(async (context, rest) =>
        {
            Interlocked.Increment(ref requests);
            try
            {
                await rest(context).ConfigureAwait(false);
            }
            finally
            {
                Answered();
            }
        });
        next(app);
    };

    public void Dispose() => cut.Dispose();

    private void Answered()
    {
        if (Interlocked.Decrement(ref requests) == 0) answered.TrySetResult();
    }

    // On the machine's clock: what a host has to stop is of its time.
    private async Task CutAsync()
    {
        Answered();
        await Task.WhenAny(answered.Task, Task.Delay(longest - Moment > TimeSpan.Zero ? longest - Moment : TimeSpan.Zero, TimeProvider.System)).ConfigureAwait(false);
        await Task.Delay(Moment < longest ? Moment : longest, TimeProvider.System).ConfigureAwait(false);
        if (Volatile.Read(ref connections) == 0) return;
        Cut(log, Volatile.Read(ref connections), Volatile.Read(ref requests));
        try
        {
            await cut.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // The host is gone already.
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Cut {Connections} connections that their callers had not closed, with {Requests} requests under way")]
    private static partial void Cut(ILogger log, int connections, int requests);
}
