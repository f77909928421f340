using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rules;

/// <inheritdoc cref="IRuleGroupGrain"/>
/// <remarks>
/// Rules are evaluated one after the other, each when what the one before it yielded is durable. Which series a rule wrote last is known to memory only: after a
/// restart those that are not there any more end when they are too old, as with Prometheus.
/// </remarks>
[Reentrant]
internal sealed class RuleGroupGrain(
    QueryCoordinator coordinator, RuleWriter writer, SeriesRules allowed, TimeProvider clock, MetricsInstruments instruments, ILogger<RuleGroupGrain> log)
    : Grain, IRuleGroupGrain
{
    private const string Unreadable = "it could not be evaluated: the log says why";

    private static readonly QueryTerms Terms = new("rule", "recording rule") { Queues = false };

    // By rule: what it wrote last. Of rules that are gone: what is still to be marked as ended.
    private readonly Dictionary<string, IReadOnlyCollection<LabelSet>> written = new(StringComparer.Ordinal);
    private readonly HashSet<LabelSet> ended = [];
    private readonly Dictionary<string, Expr> parsed = new(StringComparer.Ordinal);
    private RuleGroup? group;
    private RuleSchedule schedule;
    private RuleGroupStatus status = new() { Rules = [] };
    private IGrainTimer? timer;
    private DateTimeOffset? last;
    private bool evaluating;

    public Task ApplyAsync(RuleGroup applied)
    {
        if (applied.IsSame(group)) return Task.CompletedTask;
        if (group is not null && group.Interval != applied.Interval) last = null;
        group = applied;
        schedule = RuleSchedule.Of(applied);
        parsed.Clear();
        foreach (var rule in applied.Rules)
            parsed[rule.Identity] = PromQlParser.TryParse(rule.Expr, out var expr, out var error) ? expr : throw new ArgumentException(error.ToString(), nameof(applied));
        foreach (var (rule, series) in written.Where(w => !parsed.ContainsKey(w.Key)).ToArray())
        {
            ended.UnionWith(series);
            written.Remove(rule);
        }
        var before = status.Rules.ToDictionary(r => r.Identity, StringComparer.Ordinal);
        status = status with { Rules = [.. applied.Rules.Select(r => before.GetValueOrDefault(r.Identity) ?? new RuleStatus { Identity = r.Identity })] };
        timer ??= this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true });
        Arm();
        return Task.CompletedTask;
    }

    public async Task RetireAsync()
    {
        timer?.Dispose();
        timer = null;
        group = null;
        foreach (var series in written.Values) ended.UnionWith(series);
        written.Clear();
        // Where it fails the caller hears of it, and tells again.
        await EndAsync(clock.GetUtcNow().ToUnixTimeMilliseconds());
        DeactivateOnIdle();
    }

    public Task<RuleGroupStatus?> GetStatusAsync() => Task.FromResult(group is null ? null : status);

    private void Arm()
    {
        var now = clock.GetUtcNow();
        timer?.Change(schedule.Next(now) - now, Timeout.InfiniteTimeSpan);
    }

    private async Task TickAsync()
    {
        if (group is not { } current || evaluating) return;
        evaluating = true;
        try
        {
            var slot = schedule.Slot(clock.GetUtcNow());
            // Timers may be early by the clock's grain.
            if (slot == last) return;
            if (last is { } before && schedule.Between(before, slot) is > 0 and var missed) instruments.RuleEvaluationsMissed.Add(missed);
            last = slot;
            await EvaluateAsync(current, slot);
        }
        finally
        {
            evaluating = false;
            Arm();
        }
    }

    private async Task EvaluateAsync(RuleGroup current, DateTimeOffset slot)
    {
        var start = clock.GetTimestamp();
        var timeMs = (slot - current.QueryOffset).ToUnixTimeMilliseconds();
        foreach (var rule in current.Rules)
        {
            if (!parsed.TryGetValue(rule.Identity, out var expr)) continue;
            var began = clock.GetTimestamp();
            var error = await RecordAsync(current, rule, expr, timeMs);
            instruments.RuleEvaluated(error is not null, clock.GetElapsedTime(began));
            Note(new RuleStatus { Identity = rule.Identity, LastEvaluation = slot, EvaluationTime = clock.GetElapsedTime(began), Error = error });
        }
        try
        {
            await EndAsync(timeMs);
        }
        catch (RefusalException e)
        {
            // They are tried again with the next evaluation.
            MetricsLog.RuleFailed(log, current.Key, "", e.Message);
        }
        status = status with { LastEvaluation = slot, EvaluationTime = clock.GetElapsedTime(start) };
    }

    /// <summary>Evaluates and stores one rule; returns why it failed, or what of it is not stored.</summary>
    private async Task<string?> RecordAsync(RuleGroup current, RecordingRule rule, Expr expr, long timeMs)
    {
        try
        {
            var outcome = await coordinator.InstantAsync(rule.Expr, expr, timeMs, Terms, CancellationToken.None);
            var output = RuleOutput.From(rule, outcome.Result.Value, current.Limit, allowed);
            if (output.Failed) return output.Fault;
            var now = output.Samples.Select(s => s.Labels).ToHashSet();
            var gone = written.GetValueOrDefault(rule.Identity, []).Where(l => !now.Contains(l)).ToArray();
            // What is not known to be stored may be, and must end as well.
            written[rule.Identity] = [.. now, .. gone];
            var fault = await writer.StoreAsync([.. output.Samples, .. gone.Select(RecordedSample.End)], timeMs);
            written[rule.Identity] = now;
            ended.ExceptWith(now);
            return output.Fault ?? fault;
        }
        catch (Exception e) when (e is EvaluationException or RefusalException or OperationCanceledException)
        {
            return e.Message;
        }
        catch (Exception e)
        {
            // Storage, say. The group must go on all the same, with its other rules and its next evaluation.
            MetricsLog.RuleBroken(log, current.Key, rule.Record, e);
            return Unreadable;
        }
    }

    private void Note(RuleStatus rule)
    {
        var at = Array.FindIndex(status.Rules, r => r.Identity == rule.Identity);
        if (at < 0) return;
        // Once, not with each evaluation until somebody mends it.
        if (rule.Error is not null && rule.Error != status.Rules[at].Error) MetricsLog.RuleFailed(log, this.GetPrimaryKeyString(), rule.Identity, rule.Error);
        var rules = status.Rules.ToArray();
        rules[at] = rule;
        status = status with { Rules = rules };
    }

    private async Task EndAsync(long timeMs)
    {
        if (ended.Count == 0) return;
        var marked = ended.ToArray();
        await writer.StoreAsync([.. marked.Select(RecordedSample.End)], timeMs);
        ended.ExceptWith(marked);
    }
}
