using Microsoft.Extensions.Options;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Scrape;
using Vigil.ServiceDefaults;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Dependencies;

/// <summary>The graph and how its services were when they were last looked at.</summary>
/// <param name="Services">In the order of the file.</param>
/// <param name="AtUnixMs">When, milliseconds since 1970.</param>
internal sealed record GraphStatus(IReadOnlyList<ServiceStatus> Services, long AtUnixMs);

/// <summary>Keeps to the file of services as it changes, and evaluates their checks when somebody asks, once a second at most.</summary>
internal sealed partial class DependencyService : BackgroundService
{
    private const int Concurrency = 8;
    private static readonly QueryTerms Terms = new("dependencies", "the graph of services");
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(1);

    private readonly QueryCoordinator queries;
    private readonly TimeProvider clock;
    private readonly ScrapeInstruments instruments;
    private readonly ILogger<DependencyService> log;
    private readonly TimeSpan poll;
    private readonly WatchedFile<ServiceGraph>? file;
    private readonly SemaphoreSlim gate = new(1, 1);
    private ServiceGraph judged = ServiceGraph.Empty;
    private GraphStatus? newest;

    public DependencyService(QueryCoordinator queries, IOptions<ScrapeOptions> options, TimeProvider clock, ScrapeInstruments instruments, ILogger<DependencyService> log)
    {
        (this.queries, this.clock, this.instruments, this.log) = (queries, clock, instruments, log);
        poll = options.Value.ReloadPoll;
        if (options.Value.DependencyFile is { Length: > 0 } path) file = new(Path.GetFullPath(path), ServiceGraph.Empty, DependencyFile.Parse);
    }

    /// <summary>Looks at the file now. One with an error changes nothing.</summary>
    /// <returns>What was found, where it was read anew.</returns>
    public async Task<IReadOnlyList<Diagnostic>> ReloadAsync(CancellationToken ct)
    {
        if (file is null) return [];
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (await file.ReadAsync(ct).ConfigureAwait(false) is not { } applied) return [];
            instruments.Reloaded(applied);
            foreach (var finding in file.Findings) LogRefused(finding);
            if (applied) LogApplied(file.Value.Services.Count);
            return file.Findings;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>The graph, or a service with all that it needs; how each is.</summary>
    /// <param name="service">Name of the service; empty for all.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="RefusalException">No service has that name.</exception>
    public async Task<GraphStatus> GetAsync(string service, CancellationToken ct)
    {
        var status = await CurrentAsync(ct).ConfigureAwait(false);
        if (service.Length == 0) return status;
        if (status.Services.FirstOrDefault(s => s.Service.Name == service) is not { } asked) throw new RefusalException(RefusalKind.NotFound, $"no service is named '{service}'");
        var graph = new ServiceGraph([.. status.Services.Select(s => s.Service)]);
        var names = graph.Below(service).Select(s => s.Name).Prepend(service).ToHashSet(StringComparer.Ordinal);
        return status with { Services = [asked, .. status.Services.Where(s => s != asked && names.Contains(s.Service.Name))] };
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (file is null) return;
        using var timer = new PeriodicTimer(poll, clock);
        try
        {
            do await ReloadAsync(stoppingToken).ConfigureAwait(false);
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task<GraphStatus> CurrentAsync(CancellationToken ct)
    {
        // One evaluation serves all who wait for it.
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var graph = file?.Value ?? ServiceGraph.Empty;
            var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
            if (newest is not null && ReferenceEquals(graph, judged) && Math.Abs(now - newest.AtUnixMs) < MaxAge.TotalMilliseconds) return newest;
            var results = new Dictionary<string, IReadOnlyList<CheckResult>>(StringComparer.Ordinal);
            foreach (var some in graph.Services.Chunk(Concurrency))
            {
                var yielded = await Task.WhenAll(some.Select(s => EvaluateAsync(s, now, ct))).ConfigureAwait(false);
                for (var i = 0; i < some.Length; i++) results[some[i].Name] = yielded[i];
            }
            judged = graph;
            return newest = new GraphStatus(Health.Judge(graph, results), now);
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task<IReadOnlyList<CheckResult>> EvaluateAsync(ServiceNode service, long now, CancellationToken ct)
    {
        var results = new List<CheckResult>(service.Checks.Count);
        foreach (var check in service.Checks)
        {
            try
            {
                var outcome = await queries.InstantAsync(check.Text, check.Expr, now, Terms, ct).ConfigureAwait(false);
                double[] values = outcome.Result.Value switch
                {
                    VectorValue vector => [.. vector.Elements.Select(e => e.Value)],
                    ScalarValue scalar => [scalar.Value],
                    _ => [],
                };
                // Not a number is no sign of health.
                results.Add(new CheckResult(check, values.Count(v => v is not 0 && !double.IsNaN(v)), values.Length, null));
            }
            catch (Exception e) when (e is RefusalException or EvaluationException)
            {
                results.Add(new CheckResult(check, 0, 0, e.Message));
            }
        }
        return results;
    }

    public override void Dispose()
    {
        gate.Dispose();
        base.Dispose();
    }

    [LoggerMessage(68, LogLevel.Error, "{Finding}", EventName = "DependencyFileRefused")]
    private partial void LogRefused(Diagnostic finding);

    [LoggerMessage(69, LogLevel.Information, "The graph of {Services} services is in force", EventName = "DependenciesApplied")]
    private partial void LogApplied(int services);
}
