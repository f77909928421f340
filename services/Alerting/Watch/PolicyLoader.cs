using System.Runtime.InteropServices;
using Microsoft.Extensions.Options;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Watch;

/// <summary>What a load did.</summary>
internal sealed record LoadResult(bool Applied, IReadOnlyList<Diagnostic> Diagnostics, int Policies, int Added, int Changed, int Removed);

/// <summary>
/// Loads the policy directory at start, when a file changes, on SIGHUP and when told to. A set is applied as a whole: with any
/// error in it, the set in force stays, which after a restart is the one stored in the catalog.
/// </summary>
internal sealed partial class PolicyLoader(
    IOptions<PoliciesOptions> options,
    ExpressionOracle oracle,
    IGrainFactory grains,
    PolicyTable table,
    IReadiness readiness,
    TimeProvider clock,
    AlertingMetrics metrics,
    ILogger<PolicyLoader> log) : BackgroundService
{
    private const int Concurrency = 32;
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly SemaphoreSlim told = new(0, 1);
    private readonly IDisposable notReady = readiness.Block("the policies are not loaded yet");

    /// <summary>What the newest attempt found.</summary>
    public IReadOnlyList<Diagnostic> LastDiagnostics { get; private set; } = [];

    /// <summary>Loads now.</summary>
    public async Task<LoadResult> LoadAsync(CancellationToken ct)
    {
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var set = await ReadAsync(ct).ConfigureAwait(false);
            LastDiagnostics = set.Diagnostics;
            foreach (var finding in set.Diagnostics)
            {
                if (finding.Level == DiagnosticLevel.Error) LogError(finding);
                else LogWarning(finding);
            }
            metrics.PoliciesLoaded(!set.HasErrors);
            if (!set.HasErrors) return await ApplyAsync(set, ct).ConfigureAwait(false);
            LogRefused(options.Value.Directory);
            if (table.Current.Count == 0) await RestoreAsync(ct).ConfigureAwait(false);
            return new LoadResult(false, set.Diagnostics, table.Current.Count, 0, 0, 0);
        }
        finally
        {
            gate.Release();
        }
    }

    public override void Dispose()
    {
        gate.Dispose();
        told.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hangUp = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            if (told.CurrentCount == 0) told.Release();
        });
        string? seen = null;
        using var poll = new PeriodicTimer(options.Value.ReloadPoll, clock);
        try
        {
            do
            {
                var now = PolicyFiles.Signature(options.Value);
                if (now == seen && !await told.WaitAsync(0, stoppingToken).ConfigureAwait(false)) continue;
                if (await TryLoadAsync(stoppingToken).ConfigureAwait(false)) seen = now;
            }
            while (await poll.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>False when it must be tried again although nothing changed: the grains' storage failed.</summary>
    private async Task<bool> TryLoadAsync(CancellationToken ct)
    {
        try
        {
            await LoadAsync(ct).ConfigureAwait(false);
            notReady.Dispose();
            return true;
        }
        // A cancellation that is not ours (a grain call that was given up) must not end the host.
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            LogFailed(e);
            return false;
        }
    }

    private async Task<PolicySet> ReadAsync(CancellationToken ct)
    {
        try
        {
            var set = PolicySet.Read(await PolicyFiles.ReadAsync(options.Value, ct).ConfigureAwait(false));
            if (set.HasErrors) return set;
            if (await oracle.CheckAsync(set.Policies, ct).ConfigureAwait(false) is not { } refused)
            {
                LogNotChecked();
                return set;
            }
            return refused.Count == 0 ? set : set with { Diagnostics = [.. set.Diagnostics, .. refused] };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return PolicySet.Empty with { Diagnostics = [new Diagnostic(DiagnosticLevel.Error, options.Value.Directory, 0, 0, "Policies:Directory", e.Message)] };
        }
    }

    private async Task<LoadResult> ApplyAsync(PolicySet set, CancellationToken ct)
    {
        var catalog = grains.GetGrain<IPolicyCatalogGrain>(IPolicyCatalogGrain.Key);
        var before = (await catalog.Read().ConfigureAwait(false)).DefinitionsJson.Select(PolicyDefinition.FromJson).Select(p => p.Key).ToHashSet(StringComparer.Ordinal);
        var after = await catalog.Replace([.. set.Policies.Select(p => p.ToJson())]).ConfigureAwait(false);
        var changed = await BringIntoForceAsync(set.Policies, after.Retired, ct).ConfigureAwait(false);
        var keys = set.Policies.Select(p => p.Key).ToHashSet(StringComparer.Ordinal);
        var result = new LoadResult(true, set.Diagnostics, set.Policies.Count, keys.Count(k => !before.Contains(k)), changed, before.Count(k => !keys.Contains(k)));
        LogApplied(result.Policies, result.Added, result.Changed, result.Removed);
        return result;
    }

    /// <summary>After a restart with bad files: what was in force before it.</summary>
    private async Task RestoreAsync(CancellationToken ct)
    {
        var stored = await grains.GetGrain<IPolicyCatalogGrain>(IPolicyCatalogGrain.Key).Read().ConfigureAwait(false);
        if (stored.DefinitionsJson.Length == 0) return;
        await BringIntoForceAsync([.. stored.DefinitionsJson.Select(PolicyDefinition.FromJson)], stored.Retired, ct).ConfigureAwait(false);
        LogRestored(stored.DefinitionsJson.Length, stored.AppliedAt);
    }

    private async Task<int> BringIntoForceAsync(IReadOnlyList<PolicyDefinition> policies, IReadOnlyList<string> retired, CancellationToken ct)
    {
        var changed = 0;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = ct };
        await Parallel.ForEachAsync(policies, parallel, async (policy, _) =>
        {
            if (await grains.GetGrain<IPolicyGrain>(policy.Key).Apply(policy.ToJson()).ConfigureAwait(false)) Interlocked.Increment(ref changed);
        }).ConfigureAwait(false);
        table.Replace(policies);
        var done = new List<string>();
        foreach (var key in retired)
            if (await grains.GetGrain<IPolicyGrain>(key).Retire("the policy was removed").ConfigureAwait(false)) done.Add(key);
        if (done.Count > 0) await grains.GetGrain<IPolicyCatalogGrain>(IPolicyCatalogGrain.Key).Forget([.. done]).ConfigureAwait(false);
        return changed;
    }

    [LoggerMessage(40, LogLevel.Error, "{Finding}")]
    private partial void LogError(Diagnostic finding);

    [LoggerMessage(41, LogLevel.Warning, "{Finding}")]
    private partial void LogWarning(Diagnostic finding);

    [LoggerMessage(42, LogLevel.Error, "The policies in {Directory} have errors: nothing was changed, the set in force stays")]
    private partial void LogRefused(string directory);

    [LoggerMessage(43, LogLevel.Information, "{Policies} policies in force: {Added} new, {Changed} changed and started again, {Removed} removed")]
    private partial void LogApplied(int policies, int added, int changed, int removed);

    [LoggerMessage(44, LogLevel.Warning, "{Policies} policies in force as of {AppliedAt:u}")]
    private partial void LogRestored(int policies, DateTimeOffset appliedAt);

    [LoggerMessage(45, LogLevel.Information, "Metrics cannot be asked yet: the policies' expressions are checked when they are watched")]
    private partial void LogNotChecked();

    [LoggerMessage(46, LogLevel.Error, "The policies could not be brought into force; it is tried again")]
    private partial void LogFailed(Exception e);
}
