using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;

namespace Vigil.Orleans.Tests;

/// <summary>A host with a silo, set up with nothing but official API.</summary>
public sealed class TestSilo : IAsyncDisposable
{
    private readonly IHost host;
    private bool stopped;

    private TestSilo(IHost host) => this.host = host;

    public IServiceProvider Services => host.Services;

    public IGrainFactory Grains => Services.GetRequiredService<IGrainFactory>();

    public Probe Probe => Services.GetRequiredService<Probe>();

    public static async Task<TestSilo> StartAsync(Action<ISiloBuilder>? configure = null, TimeProvider? clock = null)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<Probe>();
        if (clock is not null) builder.Services.AddFakeClock(clock);
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(FreePort(), FreePort());
            silo.AddMemoryGrainStorage("state");
            configure?.Invoke(silo);
        });
        var host = builder.Build();
        await host.StartAsync().DefaultTimeout();
        return new TestSilo(host);
    }

    public async Task StopAsync()
    {
        if (stopped) return;
        stopped = true;
        await host.StopAsync().DefaultTimeout();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        host.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>How a test and its grains tell each other where they are: gates to wait at, marks, and a log.</summary>
public sealed class Probe
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> gates = [];
    private readonly ConcurrentDictionary<string, int> counts = [];
    private readonly ConcurrentDictionary<string, SemaphoreSlim> marks = [];

    public ConcurrentQueue<string> Log { get; } = [];

    /// <summary>Waits until the test opens the gate.</summary>
    public Task Gate(string name) => Source(name).Task;

    public void Open(string name) => Source(name).TrySetResult();

    /// <summary>Says that a place was reached.</summary>
    public void Mark(string name)
    {
        counts.AddOrUpdate(name, 1, (_, count) => count + 1);
        marks.GetOrAdd(name, _ => new SemaphoreSlim(0)).Release();
    }

    /// <summary>Waits for one mark.</summary>
    public Task Marked(string name) => marks.GetOrAdd(name, _ => new SemaphoreSlim(0)).WaitAsync().DefaultTimeout();

    public int Count(string name) => counts.GetValueOrDefault(name);

    private TaskCompletionSource Source(string name) => gates.GetOrAdd(name, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
}
