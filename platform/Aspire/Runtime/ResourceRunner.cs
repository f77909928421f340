using System.ComponentModel;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Aspire.Hosting.Runtime;

/// <summary>What the runners of one system share.</summary>
internal sealed record RunnerContext(ResourceNotificationService Notifications, Terminal Terminal, TimeProvider Clock, RunTag Tag, Watchdog Watchdog,
    HealthProbe Health, DistributedApplicationExecutionContext Execution, RestartPolicy Restarts, IReadOnlyDictionary<string, string> Assemblies);

/// <summary>Sees one process of a resource through its life: waits for what it needs, starts it, watches it, starts it again, stops it.</summary>
internal sealed class ResourceRunner : IDisposable
{
    private const int LinesKept = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly RunnerContext context;
    private readonly int replica;
    private readonly bool othersAwaitItsEnd;
    private readonly bool listens;
    private readonly Queue<string> lastLines = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private ChildProcess? child;
    private (TimeSpan Cpu, long At) lastUsage;
    private Task life = Task.CompletedTask;

    public ResourceRunner(IResource resource, int replica, bool othersAwaitItsEnd, RunnerContext context)
    {
        Resource = resource;
        this.replica = replica;
        this.othersAwaitItsEnd = othersAwaitItsEnd;
        this.context = context;
        Id = Ports.ReplicasOf(resource) > 1 ? $"{resource.Name}-{replica + 1}" : resource.Name;
        listens = resource.Annotations.OfType<EndpointAnnotation>().Any();
        Publish(KnownResourceStates.NotStarted);
    }

    public IResource Resource { get; }

    public string Id { get; }

    public int Restarts { get; private set; }

    public void Start()
    {
        if (!Resource.Annotations.OfType<ExplicitStartupAnnotation>().Any()) life = Task.Run(LiveAsync);
    }

    /// <summary>From now on nothing is started any more; what runs is left running.</summary>
    public void StartNoMore() => stopping.Cancel();

    public async Task StopAsync(CancellationToken hurry)
    {
        StartNoMore();
        ChildProcess? running;
        lock (gate) running = child;
        if (running is not null && !running.Exited.IsCompleted)
        {
            Publish(KnownResourceStates.Stopping);
            if (!await running.StopAsync(Patience, context.Clock, hurry).ConfigureAwait(false))
                context.Terminal.Say(Id, hurry.IsCancellationRequested ? "killed" : $"did not stop within {Patience.TotalSeconds:0} s of SIGTERM: killed");
        }
        await life.ConfigureAwait(false);
    }

    public void Dispose() => stopping.Dispose();

    /// <summary>The row of the table.</summary>
    public StatusRow Row()
    {
        context.Notifications.TryGetCurrentState(Id, out var current);
        var state = current!.Snapshot.State!.Text;
        var healthy = current.Snapshot.HealthStatus == HealthStatus.Healthy;
        var kind = state == KnownResourceStates.Running ? healthy ? StateKind.Good : StateKind.Busy
            : state == KnownResourceStates.Exited || state == KnownResourceStates.FailedToStart ? StateKind.Bad
            : state == KnownResourceStates.NotStarted || state == KnownResourceStates.Finished ? StateKind.Idle : StateKind.Busy;
        ChildProcess? running;
        lock (gate) running = child;
        double? cpu = null;
        long? memory = null;
        if (running?.Usage() is { } usage)
        {
            var now = context.Clock.GetTimestamp();
            var elapsed = context.Clock.GetElapsedTime(lastUsage.At, now);
            if (lastUsage.At != 0 && elapsed > TimeSpan.Zero && usage.Cpu >= lastUsage.Cpu) cpu = 100 * ((usage.Cpu - lastUsage.Cpu) / elapsed);
            lastUsage = (usage.Cpu, now);
            memory = usage.Memory;
        }
        return new StatusRow(Id, state == KnownResourceStates.Running && !healthy ? "Running, not healthy" : state, kind,
            string.Join(' ', current.Snapshot.Urls.Select(u => u.Url)), Restarts, cpu, memory);
    }

    private async Task LiveAsync()
    {
        try
        {
            if (!await DependenciesAsync().ConfigureAwait(false)) return;
            var deaths = 0;
            while (!stopping.IsCancellationRequested)
            {
                var started = context.Clock.GetTimestamp();
                var exitCode = await PortsAsync().ConfigureAwait(false) ? await RunOnceAsync().ConfigureAwait(false) : null;
                if (stopping.IsCancellationRequested)
                {
                    // Of a kill tells who killed.
                    if (exitCode is not (null or 128 + Procfs.SigKill)) context.Terminal.Say(Id, exitCode == 0 ? "stopped" : $"stopped with {Meaning(exitCode.Value)}");
                    break;
                }
                if (exitCode == 0 && !listens || othersAwaitItsEnd && exitCode is not null)
                {
                    context.Terminal.Say(Id, $"ended with exit code {exitCode}");
                    Publish(exitCode == 0 ? KnownResourceStates.Finished : KnownResourceStates.Exited, exitCode: exitCode);
                    return;
                }
                var decision = context.Restarts.Decide(deaths, context.Clock.GetElapsedTime(started));
                deaths = decision.DeathsInARow;
                Publish(KnownResourceStates.Exited, exitCode: exitCode);
                if (exitCode is { } code) Report(code, decision);
                await Task.Delay(decision.Pause, context.Clock, stopping.Token).ConfigureAwait(false);
                Restarts++;
            }
            Publish(KnownResourceStates.Exited);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            Publish(KnownResourceStates.Exited);
        }
        catch (Exception e) when (e is Win32Exception or DistributedApplicationException or InvalidOperationException)
        {
            context.Terminal.Error($"{Id} cannot be started: {e.Message}");
            Publish(KnownResourceStates.FailedToStart);
        }
    }

    private async Task<bool> DependenciesAsync()
    {
        foreach (var wait in Resource.Annotations.OfType<WaitAnnotation>())
        {
            // A connection string or a parameter is there from the start.
            if (wait.Resource is not (ProjectResource or ExecutableResource)) continue;
            Publish(KnownResourceStates.Waiting);
            Func<ResourceEvent, bool> ready = wait.WaitType switch
            {
                WaitType.WaitUntilStarted => e => e.Snapshot.State?.Text == KnownResourceStates.Running || e.Snapshot.ExitCode is not null,
                WaitType.WaitForCompletion => e => e.Snapshot.State is { } state && KnownResourceStates.TerminalStates.Contains(state.Text),
                _ => e => e.Snapshot.State?.Text == KnownResourceStates.Running && e.Snapshot.HealthStatus == HealthStatus.Healthy,
            };
            var last = await context.Notifications.WaitForAllAsync(wait.Resource.Name, ready, stopping.Token).ConfigureAwait(false);
            if (wait.WaitType != WaitType.WaitForCompletion || last.Snapshot.ExitCode == wait.ExitCode) continue;
            context.Terminal.Error($"{Id} is not started: it waits for '{wait.Resource.Name}' to end with exit code {wait.ExitCode}, and that "
                + (last.Snapshot.ExitCode is { } code ? $"ended with {Meaning(code)}" : "could not be started"));
            Publish(KnownResourceStates.FailedToStart);
            return false;
        }
        return true;
    }

    /// <summary>Whether the ports are free; says so where they are not.</summary>
    private async Task<bool> PortsAsync()
    {
        foreach (var address in Addresses())
        {
            if (Ports.IsFree(address.Port)) continue;
            // The process died, but not what it had started, and that has inherited the port.
            if (Procfs.ListenerOn(address.Port) is { } holder && RunTag.OfProcess(holder) == context.Tag && Procfs.ParentOf(holder) != Environment.ProcessId)
            {
                Procfs.Signal(holder, Procfs.SigKill);
                await Task.Delay(TimeSpan.FromMilliseconds(50), context.Clock, stopping.Token).ConfigureAwait(false);
                if (Ports.IsFree(address.Port)) continue;
            }
            context.Terminal.Error(Ports.Taken(Id, address) + "; it is tried again");
            return false;
        }
        return true;
    }

    private async Task<int?> RunOnceAsync()
    {
        Publish(KnownResourceStates.Starting);
        context.Assemblies.TryGetValue((Resource as ProjectResource)?.ProjectPath ?? "", out var assembly);
        var launch = await LaunchPlan.ResolveAsync(Resource, replica, Id, assembly, context.Tag, context.Execution, stopping.Token).ConfigureAwait(false);
        var started = context.Clock.GetTimestamp();
        lock (gate)
        {
            stopping.Token.ThrowIfCancellationRequested();
            lastLines.Clear();
            lastUsage = default;
            child = ChildProcess.Start(launch, OnLine);
        }
        context.Watchdog.Add(child.Pid);
        using var running = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        var health = WatchHealthAsync(started, running.Token);
        var exitCode = await child.Exited.ConfigureAwait(false);
        await running.CancelAsync().ConfigureAwait(false);
        await health.ConfigureAwait(false);
        // Where a child cannot have a session of its own, Ctrl+C reaches it and the AppHost at once: give the AppHost's a moment to be noticed, lest it be taken for a crash.
        if (!stopping.IsCancellationRequested) await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(100), context.Clock, stopping.Token)).ConfigureAwait(false);
        lock (gate)
        {
            child.Dispose();
            child = null;
        }
        return exitCode;
    }

    private async Task WatchHealthAsync(long started, CancellationToken ended)
    {
        try
        {
            var checks = HealthProbe.UrlsOf(Resource, replica);
            Publish(KnownResourceStates.Running, checks.Count == 0 ? HealthStatus.Healthy : HealthStatus.Unhealthy);
            var wasHealthy = false;
            var seenHealthy = false;
            while (checks.Count > 0)
            {
                var problem = await context.Health.AskAsync(checks, ended).ConfigureAwait(false);
                if (ended.IsCancellationRequested) return;
                if (problem is null && !wasHealthy)
                {
                    context.Terminal.Say(Id, !seenHealthy ? $"ready after {context.Clock.GetElapsedTime(started).TotalSeconds:0.0} s" : "healthy again");
                    Publish(KnownResourceStates.Running, HealthStatus.Healthy);
                }
                else if (problem is not null && wasHealthy)
                {
                    context.Terminal.Say(Id, $"not healthy: {problem}");
                    Publish(KnownResourceStates.Running, HealthStatus.Unhealthy);
                }
                seenHealthy |= problem is null;
                wasHealthy = problem is null;
                await Task.Delay(wasHealthy ? TimeSpan.FromSeconds(2) : TimeSpan.FromMilliseconds(100), context.Clock, ended).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The process ended, or is being stopped: its health is no longer the question.
        }
    }

    private void Report(int code, RestartDecision decision)
    {
        if (!decision.KeepsDying)
        {
            context.Terminal.Say(Id, $"died with {Meaning(code)}; starts again in {decision.Pause.TotalSeconds:0.##} s");
            return;
        }
        string[] lines;
        lock (lastLines) lines = [.. lastLines];
        context.Terminal.Error($"{Id} keeps dying: {decision.DeathsInARow} times in a row, now with {Meaning(code)}. Next try in {decision.Pause.TotalSeconds:0.##} s. "
            + (lines.Length == 0 ? "It printed nothing." : "Its last lines:\n" + string.Join('\n', lines.Select(l => "    " + l))));
    }

    private void OnLine(string line, bool isError)
    {
        lock (lastLines)
        {
            if (lastLines.Count == LinesKept) lastLines.Dequeue();
            lastLines.Enqueue(line);
        }
        context.Terminal.Log(Id, line, isError);
    }

    private void Publish(string state, HealthStatus? health = null, int? exitCode = null) =>
        context.Notifications.Publish(new ResourceEvent(Resource, Id, new CustomResourceSnapshot
        {
            ResourceType = Resource is ProjectResource ? "Project" : "Executable",
            State = new ResourceStateSnapshot(state, null),
            HealthStatus = health,
            ExitCode = exitCode,
            Urls = [.. Addresses().Select(a => new UrlSnapshot(a.Endpoint.Name, a.UriString, false))],
        }));

    private IEnumerable<AllocatedEndpoint> Addresses() => Resource.Annotations.OfType<EndpointAnnotation>().Select(e => e.Allocated[replica]);

    private static string Meaning(int code) => code switch
    {
        137 => "exit code 137 (SIGKILL: killed by someone, or for want of memory)",
        139 => "exit code 139 (SIGSEGV)",
        134 => "exit code 134 (SIGABRT: an unhandled exception, or a failed assertion)",
        143 => "exit code 143 (SIGTERM)",
        _ => $"exit code {code}",
    };
}
