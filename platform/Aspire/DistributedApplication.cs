using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting;

/// <summary>A described system, ready to run.</summary>
public class DistributedApplication : IHost, IAsyncDisposable
{
    private readonly IHost host;

    internal DistributedApplication(IHost host) => this.host = host;

    /// <summary>Starts a description without a command line.</summary>
    public static IDistributedApplicationBuilder CreateBuilder() => CreateBuilder([]);

    /// <summary>Starts a description; the command line is part of its configuration (<c>--Key:Sub=value</c>).</summary>
    public static IDistributedApplicationBuilder CreateBuilder(string[] args) => CreateBuilder(new DistributedApplicationOptions { Args = args });

    /// <summary>Starts a description.</summary>
    public static IDistributedApplicationBuilder CreateBuilder(DistributedApplicationOptions options) => new DistributedApplicationBuilder(options);

    /// <summary>The AppHost's own services.</summary>
    public IServiceProvider Services => host.Services;

    /// <summary>Tells the state of each resource, and lets callers wait for one.</summary>
    public ResourceNotificationService ResourceNotifications => Services.GetRequiredService<ResourceNotificationService>();

    /// <summary>Builds the projects and starts the resources; returns when all are on their way.</summary>
    /// <exception cref="DistributedApplicationException">A project does not build, or a port is taken; the message says which.</exception>
    public virtual Task StartAsync(CancellationToken cancellationToken = default) => host.StartAsync(cancellationToken);

    /// <summary>Stops all resources, those that wait for others first.</summary>
    public virtual Task StopAsync(CancellationToken cancellationToken = default) => host.StopAsync(cancellationToken);

    /// <summary>
    /// Runs the system until Ctrl+C, SIGTERM or <paramref name="cancellationToken"/>. What keeps the system from starting is printed, and the
    /// process's exit code becomes 1.
    /// </summary>
    public virtual async Task RunAsync(CancellationToken cancellationToken = default)
    {
        var terminal = Services.GetRequiredService<Terminal>();
        try
        {
            await host.StartAsync(cancellationToken).ConfigureAwait(false);
            await host.WaitForShutdownAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (DistributedApplicationException e)
        {
            await host.StopAsync(CancellationToken.None).ConfigureAwait(false);
            terminal.Error(e.Message);
            Environment.ExitCode = 1;
        }
        catch (OperationCanceledException)
        {
            // Ctrl+C while the projects were still being built: nothing runs yet, so there is nothing more to say.
            await host.StopAsync(CancellationToken.None).ConfigureAwait(false);
            Environment.ExitCode = 130;
        }
        finally
        {
            await DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>As <see cref="RunAsync"/>, on this thread.</summary>
    public void Run()
    {
        using var done = new ManualResetEventSlim();
        Exception? failure = null;
        _ = Task.Run(async () =>
        {
            try
            {
                await RunAsync().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                failure = e;
            }
            finally
            {
                done.Set();
            }
        });
        done.Wait();
        if (failure is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        host.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        if (host is IAsyncDisposable asyncDisposable) await asyncDisposable.DisposeAsync().ConfigureAwait(false);
        else host.Dispose();
        GC.SuppressFinalize(this);
    }
}
