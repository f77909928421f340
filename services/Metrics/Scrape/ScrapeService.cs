using Microsoft.Extensions.Options;
using Orleans;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>Keeps to the file of jobs and the files of targets as they change, and has every target scraped when it is due.</summary>
internal sealed partial class ScrapeService : BackgroundService
{
    private readonly ScrapeOptions options;
    private readonly ScrapeTargets targets;
    private readonly IGrainFactory grains;
    private readonly TimeProvider clock;
    private readonly ScrapeInstruments instruments;
    private readonly ILogger<ScrapeService> log;
    private readonly WatchedFile<IReadOnlyList<TargetJob>>? file;
    private readonly TargetFiles targetFiles = new();
    private readonly SlotScheduler scheduler;
    private readonly SemaphoreSlim gate = new(1, 1);
    private int leftOut;

    public ScrapeService(IOptions<ScrapeOptions> options, ScrapeTargets targets, IGrainFactory grains, TimeProvider clock, ScrapeInstruments instruments, ILogger<ScrapeService> log)
    {
        (this.options, this.targets, this.grains, this.clock, this.instruments, this.log) = (options.Value, targets, grains, clock, instruments, log);
        if (this.options.ScrapeFile is { Length: > 0 } path) file = new(Path.GetFullPath(path), [], (content, report) => ScrapeFile.Parse(path, content, report));
        scheduler = new SlotScheduler(clock, this.options.ScrapeConcurrency, ScrapeAsync, _ => instruments.Skipped.Add(1));
    }

    /// <summary>Told after each scrape, with the target's key: for tests, which must not wait by the clock.</summary>
    internal event Action<string, TargetReport?>? Scraped;

    /// <summary>Has it look at the clock: a test that moved it must not depend on when the timer was set.</summary>
    internal void Wake() => scheduler.Wake();

    /// <summary>Completes when no scrape of the target is under way: the next would be left out until then.</summary>
    internal Task WhenIdle(string key) => scheduler.WhenIdle(key);

    /// <summary>Looks at the files now. A file with an error changes nothing.</summary>
    /// <returns>What was found in files that were read anew.</returns>
    public async Task<IReadOnlyList<Diagnostic>> ReloadAsync(CancellationToken ct)
    {
        if (file is null) return [];
        await gate.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var findings = new List<Diagnostic>();
            var applied = await file.ReadAsync(ct).ConfigureAwait(false);
            if (applied is not null)
            {
                findings.AddRange(file.Findings);
                instruments.Reloaded(applied.Value);
            }
            var (changed, found) = await targetFiles.ReadAsync(file.Value, ct).ConfigureAwait(false);
            findings.AddRange(found);
            foreach (var finding in findings)
            {
                if (finding.Level == DiagnosticLevel.Error) LogRefused(finding);
                else LogWarned(finding);
            }
            if ((applied == true || changed) && await ApplyAsync().ConfigureAwait(false) is { } tooMany)
            {
                LogRefused(tooMany);
                findings.Add(tooMany);
            }
            return findings;
        }
        finally
        {
            gate.Release();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (file is null) return;
        await Task.WhenAll(scheduler.RunAsync(stoppingToken), PollAsync(stoppingToken)).ConfigureAwait(false);
    }

    private async Task PollAsync(CancellationToken ct)
    {
        using var poll = new PeriodicTimer(options.ReloadPoll, clock);
        try
        {
            do
            {
                try
                {
                    await ReloadAsync(ct).ConfigureAwait(false);
                }
                // What cannot be read now may be the next time; scraping goes on with what is in force.
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    LogNotRead(e.Message);
                }
            }
            while (await poll.WaitForNextTickAsync(ct).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Brings what the files say into force; returns what there is too much of, or null.</summary>
    private async Task<Diagnostic?> ApplyAsync()
    {
        var active = new List<ScrapeTarget>();
        var dropped = new List<DroppedTarget>();
        foreach (var job in file!.Value)
        {
            var built = TargetBuilder.Build(job, targetFiles.GroupsOf(job));
            foreach (var fault in built.Faults) LogFault(job.Name, fault);
            dropped.AddRange(built.Dropped);
            var tooMany = job.Limits.Targets is > 0 and var limit && built.Active.Count > limit ? $"{built.Active.Count} targets; at most {limit} are allowed (target_limit)" : null;
            active.AddRange(built.Active.Select(t => tooMany is null ? t : t with { Fault = tooMany }));
        }
        Diagnostic? finding = null;
        var over = Math.Max(0, active.Count - options.MaxTargets);
        if (over > 0)
        {
            finding = new Diagnostic(DiagnosticLevel.Error, file.Path, 0, 0, "targets",
                $"{active.Count} targets are configured; only the first {options.MaxTargets} are scraped (Metrics:{nameof(ScrapeOptions.MaxTargets)})");
            active.RemoveRange(options.MaxTargets, over);
        }
        instruments.LeftOut.Add(over - leftOut);
        leftOut = over;
        instruments.Targets.Add(active.Count - targets.Current.Active.Count);
        var gone = targets.Replace(new TargetSet(active, dropped));
        scheduler.Replace(active);
        LogApplied(active.Count, dropped.Count, gone.Count);
        await Task.WhenAll(gone.Select(RetireAsync)).ConfigureAwait(false);
        return finding;
    }

    private async Task ScrapeAsync(ScrapeTarget target, long slot, CancellationToken ct)
    {
        TargetReport? report = null;
        try
        {
            report = await grains.GetGrain<IScrapeTargetGrain>(target.Key).ScrapeAsync(slot).WaitAsync(ct).ConfigureAwait(false);
            if (report is not null) targets.Report(target.Key, report);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            LogFailed(target.Key, e);
        }
        Scraped?.Invoke(target.Key, report);
    }

    private async Task RetireAsync(string key)
    {
        try
        {
            await grains.GetGrain<IScrapeTargetGrain>(key).RetireAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is Orleans.Runtime.OrleansException or TimeoutException)
        {
            LogFailed(key, e);
        }
    }

    public override void Dispose()
    {
        scheduler.Dispose();
        gate.Dispose();
        base.Dispose();
    }

    [LoggerMessage(61, LogLevel.Error, "{Finding}", EventName = "ScrapeFileRefused")]
    private partial void LogRefused(Diagnostic finding);

    [LoggerMessage(62, LogLevel.Warning, "{Finding}", EventName = "ScrapeFileWarned")]
    private partial void LogWarned(Diagnostic finding);

    [LoggerMessage(63, LogLevel.Warning, "The files of targets could not be read: {Reason}", EventName = "ScrapeFilesNotRead")]
    private partial void LogNotRead(string reason);

    [LoggerMessage(64, LogLevel.Warning, "Job {Job}: {Fault}", EventName = "TargetRefused")]
    private partial void LogFault(string job, string fault);

    [LoggerMessage(66, LogLevel.Information, "{Targets} targets in force, {Dropped} dropped by relabelling, {Gone} gone since the last time", EventName = "TargetsApplied")]
    private partial void LogApplied(int targets, int dropped, int gone);

    [LoggerMessage(67, LogLevel.Error, "{Target} could not be scraped for a reason of our own; it is tried again when it is due", EventName = "ScrapeFailed")]
    private partial void LogFailed(string target, Exception cause);
}
