using System.Runtime.InteropServices;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Runtime;

/// <summary>Starts the system in order, keeps its table, stops it in the opposite order.</summary>
internal sealed class Orchestrator(IServiceProvider services, string directory, string configuration) : IHostedService, IDisposable
{
    private readonly Terminal terminal = services.GetRequiredService<Terminal>();
    private readonly TimeProvider clock = services.GetRequiredService<TimeProvider>();
    private readonly IHostApplicationLifetime lifetime = services.GetRequiredService<IHostApplicationLifetime>();
    private readonly IResourceCollection resources = services.GetRequiredService<IResourceCollection>();
    private readonly HealthProbe health = new();
    private readonly CancellationTokenSource stopped = new();
    private readonly RunTag tag = RunTag.OfThisProcess(directory);
    private IReadOnlyList<ResourceRunner> runners = [];
    private Watchdog? watchdog;
    private PosixSignalRegistration? secondInterrupt;
    private Task upkeep = Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        var startable = resources.Where(r => r is ProjectResource or ExecutableResource).ToArray();
        terminal.Names(["apphost", .. startable.SelectMany(r => Enumerable.Range(1, Ports.ReplicasOf(r)).Select(i => Ports.ReplicasOf(r) > 1 ? $"{r.Name}-{i}" : r.Name))]);
        CheckOrder(startable);
        watchdog = Watchdog.Start(tag);
        await EndOrphansAsync().ConfigureAwait(false);
        Ports.Allocate(startable);
        await CheckPortsAsync(startable).ConfigureAwait(false);
        var assemblies = await new ProjectBuild([.. startable.OfType<ProjectResource>()], configuration, terminal, clock).RunAsync(either.Token).ConfigureAwait(false);

        var context = new RunnerContext(services.GetRequiredService<ResourceNotificationService>(), terminal, clock, tag, watchdog, health,
            services.GetRequiredService<DistributedApplicationExecutionContext>(), RestartPolicy.Default, assemblies);
        var awaited = startable.SelectMany(r => r.Annotations.OfType<WaitAnnotation>()).Where(w => w.WaitType == WaitType.WaitForCompletion).Select(w => w.Resource).ToHashSet();
        runners = [.. startable.SelectMany(r => Enumerable.Range(0, Ports.ReplicasOf(r)).Select(i => new ResourceRunner(r, i, awaited.Contains(r), context)))];
        foreach (var runner in runners) runner.Start();
        // At the first signal, not when the turn comes to stop each: what ends by itself meanwhile must not come back.
        lifetime.ApplicationStopping.Register(StartNoMore);
        upkeep = Task.Run(UpkeepAsync, CancellationToken.None);
    }

    /// <summary>Those that wait for others stop before them, so that nothing loses what it still needs; a second Ctrl+C ends patience.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var hurry = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        secondInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            hurry.Cancel();
        });
        StartNoMore();
        var left = runners.ToList();
        if (left.Count > 0) terminal.Say("apphost", "stopping ...");
        while (left.Count > 0)
        {
            var needed = left.SelectMany(r => r.Resource.Annotations.OfType<WaitAnnotation>().Select(w => w.Resource)).ToHashSet();
            var wave = left.Where(r => !needed.Contains(r.Resource)).ToArray();
            await Task.WhenAll(wave.Select(r => r.StopAsync(hurry.Token))).ConfigureAwait(false);
            left.RemoveAll(wave.Contains);
        }
        // What a stopped process started and did not stop itself.
        await RunTag.EndAllAsync(found => found == tag, TimeSpan.FromSeconds(2), clock).ConfigureAwait(false);
        await stopped.CancelAsync().ConfigureAwait(false);
        await upkeep.ConfigureAwait(false);
        terminal.Table([]);
        if (runners.Count > 0) terminal.Say("apphost", "stopped");
        foreach (var runner in runners) runner.Dispose();
        runners = [];
        secondInterrupt.Dispose();
        watchdog?.Dispose();
        watchdog = null;
    }

    public void Dispose()
    {
        watchdog?.Dispose();
        health.Dispose();
        stopped.Dispose();
    }

    private void StartNoMore()
    {
        foreach (var runner in runners) runner.StartNoMore();
    }

    private static void CheckOrder(IResource[] startable)
    {
        var waits = startable.ToDictionary(r => r, r => r.Annotations.OfType<WaitAnnotation>().Select(w => w.Resource).ToArray());
        var done = new HashSet<IResource>();
        foreach (var resource in startable) Visit(resource, []);

        void Visit(IResource resource, List<IResource> path)
        {
            if (path.Contains(resource))
                throw new DistributedApplicationException("these resources wait for each other, so none can start: " + string.Join(" -> ", path.Append(resource).Select(r => r.Name)));
            if (!waits.TryGetValue(resource, out var next) || done.Contains(resource)) return;
            foreach (var other in next) Visit(other, [.. path, resource]);
            done.Add(resource);
        }
    }

    private async Task EndOrphansAsync()
    {
        var ended = await RunTag.EndAllAsync(found => found.Directory == directory && !found.IsAlive, TimeSpan.FromSeconds(2), clock).ConfigureAwait(false);
        if (ended.Count > 0) terminal.Say("apphost", $"stopped {ended.Count} process(es) that an earlier run had left behind");
    }

    private async Task CheckPortsAsync(IResource[] startable)
    {
        var wanted = startable.SelectMany(r => r.Annotations.OfType<EndpointAnnotation>().Where(e => e.WantedPort is not null).Select(e => (r.Name, Address: e.Allocated[0]))).ToArray();
        foreach (var (_, address) in wanted.Where(w => !Ports.IsFree(w.Address.Port)))
        {
            // Left behind by an AppHost in another folder: it has no claim either.
            if (Procfs.ListenerOn(address.Port) is { } holder && RunTag.OfProcess(holder) is { IsAlive: false } dead)
                await RunTag.EndAllAsync(found => found == dead, TimeSpan.FromSeconds(2), clock).ConfigureAwait(false);
        }
        var taken = wanted.Where(w => !Ports.IsFree(w.Address.Port)).Select(w => Ports.Taken(w.Name, w.Address)).ToArray();
        if (taken.Length > 0) throw new DistributedApplicationException(string.Join('\n', taken.Append("nothing was started: stop what holds the port, or choose another")));
    }

    /// <summary>Draws the table each second, and stops the system when "dotnet run", which the person sees as the AppHost, is killed.</summary>
    private async Task UpkeepAsync()
    {
        var launcher = Procfs.ParentOf(Environment.ProcessId);
        var launchedByDotnetRun = launcher is { } parent && Procfs.CommandLineOf(parent) is { } command
            && command.Split(' ') is [var program, ..] words && Path.GetFileName(program) == "dotnet" && words.Contains("run");
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        try
        {
            do
            {
                if (terminal.IsLive) terminal.Table(StatusTable.Render([.. runners.Select(r => r.Row())], terminal.Width, terminal.HasColour));
                if (launchedByDotnetRun && Procfs.ParentOf(Environment.ProcessId) != launcher) lifetime.StopApplication();
            } while (await timer.WaitForNextTickAsync(stopped.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }
}
