using Microsoft.Extensions.Options;
using Orleans;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Rules;

/// <summary>
/// Reads the directory of rules at start and when a file changes, and brings their groups into force. A file with an error changes nothing of what is in
/// force of it; the other files are taken.
/// </summary>
internal sealed class RuleLoader(
    IOptions<RulesOptions> settings, RuleTable table, IGrainFactory grains, TimeProvider clock, MetricsInstruments instruments, ILogger<RuleLoader> log) : BackgroundService
{
    /// <summary>Groups are told this often that they are in force: one whose process died is started elsewhere by it.</summary>
    private static readonly TimeSpan Refresh = TimeSpan.FromSeconds(30);

    private readonly RulesOptions options = settings.Value;
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly Dictionary<string, RuleGroup> retiring = new(StringComparer.Ordinal);

    /// <summary>Reads the files and brings what is in them into force.</summary>
    public Task LoadAsync(CancellationToken ct) => AloneAsync(ReadAndApplyAsync, ct);

    public override void Dispose()
    {
        gate.Dispose();
        base.Dispose();
    }

    private async Task AloneAsync(Func<CancellationToken, Task> work, CancellationToken ct)
    {
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            await work(ct).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    private async Task ReadAndApplyAsync(CancellationToken ct)
    {
        var before = table.Groups.ToLookup(g => g.File, StringComparer.Ordinal);
        var groups = new List<RuleGroup>();
        var diagnostics = new List<Diagnostic>();
        try
        {
            foreach (var (name, content) in await Folder().ReadAsync(ct).ConfigureAwait(false))
            {
                var file = RuleFileReader.Read(name, content, options.Interval);
                var taken = file.HasErrors ? [.. before[name]] : file.Groups;
                if (groups.Sum(g => g.Rules.Length) + taken.Sum(g => g.Rules.Length) > options.MaxRules)
                {
                    diagnostics.Add(new Diagnostic(DiagnosticLevel.Error, name, 0, 0, "groups", $"with it there are more than {options.MaxRules} recording rules (Rules:{nameof(RulesOptions.MaxRules)})"));
                    continue;
                }
                groups.AddRange(taken);
                diagnostics.AddRange(file.Diagnostics);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            groups = [.. table.Groups];
            diagnostics.Add(new Diagnostic(DiagnosticLevel.Error, options.Directory, 0, 0, "Rules:Directory", e.Message));
        }
        foreach (var finding in diagnostics)
        {
            if (finding.Level == DiagnosticLevel.Error) MetricsLog.RuleFileRefused(log, finding);
            else MetricsLog.RuleFileDoubted(log, finding);
        }
        if (diagnostics.Exists(d => d.Level == DiagnosticLevel.Error)) instruments.RuleFilesRefused.Add(diagnostics.Where(d => d.Level == DiagnosticLevel.Error).DistinctBy(d => d.File).Count());
        var kept = groups.Select(g => g.Key).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in table.Groups.Where(g => !kept.Contains(g.Key))) retiring[gone.Key] = gone;
        table.Replace(groups, diagnostics, clock.GetUtcNow());
        MetricsLog.RulesLoaded(log, groups.Sum(g => g.Rules.Length), groups.Count, options.Directory);
        await ApplyAsync(ct).ConfigureAwait(false);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Directory.Length == 0) return;
        string? seen = null;
        var applied = clock.GetTimestamp();
        using var poll = new PeriodicTimer(options.ReloadPoll, clock);
        try
        {
            do
            {
                var now = Folder().Signature();
                if (now == seen && clock.GetElapsedTime(applied) < Refresh) continue;
                if (!await TryAsync(now == seen ? AloneAsync(ApplyAsync, stoppingToken) : LoadAsync(stoppingToken), stoppingToken).ConfigureAwait(false)) continue;
                (seen, applied) = (now, clock.GetTimestamp());
            }
            while (await poll.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private YamlFolder Folder() => new(options.Directory, options.Include);

    private async Task ApplyAsync(CancellationToken ct)
    {
        foreach (var some in table.Groups.Chunk(32)) await Task.WhenAll(some.Select(g => grains.GetGrain<IRuleGroupGrain>(g.Key).ApplyAsync(g))).WaitAsync(ct).ConfigureAwait(false);
        foreach (var key in retiring.Keys.ToArray())
        {
            // It may have come back meanwhile.
            if (!table.Groups.Any(g => g.Key == key)) await grains.GetGrain<IRuleGroupGrain>(key).RetireAsync().WaitAsync(ct).ConfigureAwait(false);
            retiring.Remove(key);
        }
    }

    /// <summary>False when it must be tried again although nothing changed.</summary>
    private async Task<bool> TryAsync(Task work, CancellationToken ct)
    {
        try
        {
            await work.ConfigureAwait(false);
            return true;
        }
        // A grain that cannot be reached, or a call that was given up, must not end the host.
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            MetricsLog.RulesNotApplied(log, e);
            return false;
        }
    }
}
