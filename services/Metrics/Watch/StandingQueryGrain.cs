using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Watch;

/// <inheritdoc cref="IStandingQueryGrain"/>
/// <remarks>
/// Evaluates when told that its inputs changed, at once where it is idle and once more afterwards where it is not, and each
/// second, because time moves the window too. Reading the inputs renews the subscription at the grains that hold them, so that
/// after a restart of either side one evaluation puts everything in place again. How often it evaluates is bounded by its own cost, and by
/// what all standing queries take together (<see cref="StandingBudget"/>).
/// </remarks>
[Reentrant]
internal sealed class StandingQueryGrain(
    QueryCoordinator coordinator, StandingBudget budget, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments, ILogger<StandingQueryGrain> log)
    : Grain, IStandingQueryGrain
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    /// <summary>Followers ask at least every ten seconds.</summary>
    private static readonly TimeSpan Unfollowed = TimeSpan.FromSeconds(30);

    /// <summary>Evaluations that keep taking longer get no more than a tenth of the time.</summary>
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(50);

    /// <summary>A value older than that is not confirmed again.</summary>
    private static readonly TimeSpan Outdated = TimeSpan.FromMinutes(1);

    private StandingValue current = new();
    private TaskCompletionSource next = NewSignal();
    private string text = "";
    private Expr? expr;
    private long cause;
    private bool dirty;
    private bool evaluating;
    private int followers;
    // Timestamps, which do not notice when the wall clock is set.
    private long? followedAt;
    private long evaluatedAt;
    private TimeSpan pause;
    private JudgedMoment judged = JudgedMoment.None;
    private (TimeSpan Last, TimeSpan Before) took;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        text = this.GetPrimaryKeyString();
        if (!PromQlParser.TryParse(text, out expr, out var error))
        {
            current = new StandingValue { Version = 1, EvaluatedAt = clock.GetUtcNow().ToUnixTimeMilliseconds(), Error = error.ToString() };
            return Task.CompletedTask;
        }
        instruments.Watches.Add(1);
        budget.Enter();
        this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(Tick, Tick) { Interleave = true });
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (expr is null) return Task.CompletedTask;
        instruments.Watches.Add(-1);
        budget.Leave();
        return Task.CompletedTask;
    }

    public async Task<StandingValue> NextAsync(long version, TimeSpan wait, CancellationToken gone)
    {
        followers++;
        try
        {
            if (current.Version == 0)
            {
                dirty = true;
                await EvaluateAsync();
            }
            // Version 0: another call's evaluation is still on its way.
            if ((current.Version == version || current.Version == 0) && wait > TimeSpan.Zero) await WaitAsync(next.Task, wait, gone);
            return current;
        }
        finally
        {
            followers--;
            followedAt = clock.GetTimestamp();
        }
    }

    public Task InputsChangedAsync(long receivedUnixUs)
    {
        // Such a call activates the grain anew after the last follower has left. An evaluation would renew the subscription that the
        // call comes from, and so on for ever.
        if (!IsFollowed()) return Task.CompletedTask;
        cause = Math.Max(cause, receivedUnixUs);
        dirty = true;
        // Not awaited: who tells must not wait for the evaluation, which reads from it.
        if (expr is not null && !IsPausing()) _ = EvaluateAsync();
        return Task.CompletedTask;
    }

    private bool IsFollowed() => followers > 0 || (followedAt is { } at && clock.GetElapsedTime(at) <= Unfollowed);

    private bool IsPausing() => pause > TimeSpan.Zero && clock.GetElapsedTime(evaluatedAt) < pause;

    private Task TickAsync()
    {
        if (!IsFollowed())
        {
            DeactivateOnIdle();
            return Task.CompletedTask;
        }
        if (IsPausing())
        {
            // Followers must not take an old value for the present one.
            if (clock.GetElapsedTime(evaluatedAt) > Outdated && current.Error is null)
                Publish(new StandingValue { EvaluatedAt = current.EvaluatedAt, Error = StandingResult.PutOff }, 0);
            return Task.CompletedTask;
        }
        dirty = true;
        return EvaluateAsync();
    }

    private async Task EvaluateAsync()
    {
        if (evaluating || expr is null) return;
        evaluating = true;
        try
        {
            while (dirty)
            {
                dirty = false;
                var causedBy = cause;
                cause = 0;
                await EvaluateOnceAsync(expr, causedBy);
                if (IsPausing()) break;
            }
        }
        finally
        {
            evaluating = false;
        }
    }

    private async Task EvaluateOnceAsync(Expr parsed, long causedBy)
    {
        var start = clock.GetTimestamp();
        var at = judged.Next(clock.GetUtcNow().ToUnixTimeMilliseconds(), options.Value.MaxAhead);
        var work = TimeSpan.Zero;
        StandingValue value;
        try
        {
            var outcome = await coordinator.InstantAsync(text, parsed, at, text, CancellationToken.None);
            value = StandingResult.From(outcome.Result.Value, at, outcome.InputSeries);
            work = outcome.Work;
            judged = new JudgedMoment(at, outcome.Newest);
        }
        catch (Exception e) when (e is EvaluationException or RefusalException or OperationCanceledException)
        {
            // Once, not with each evaluation until somebody mends it.
            if (e.Message != current.Error) MetricsLog.StandingQueryFailed(log, text, e.Message);
            value = new StandingValue { EvaluatedAt = at, Error = e.Message };
            // A limit hit on the way, its own time among them, is work; a grain that cannot be reached is not.
            if (e is EvaluationException or RefusalException { Refusal.Kind: not RefusalKind.Unavailable }) work = clock.GetElapsedTime(start);
        }
        catch (Exception e)
        {
            // Storage, say. Followers must hear of it: an old value that is confirmed again would be a lie.
            if (current.Error != StandingResult.Unreadable) MetricsLog.StandingQueryBroken(log, text, e);
            value = new StandingValue { EvaluatedAt = at, Error = StandingResult.Unreadable };
        }
        Pace(clock.GetElapsedTime(start), work);
        instruments.EvaluatedStanding(incremental: false, 1, work);
        if (causedBy == 0 && current.Version > 0 && StandingResult.Same(current, value))
        {
            current = value with { Version = current.Version, CauseReceivedUnixUs = current.CauseReceivedUnixUs };
            return;
        }
        Publish(value, causedBy);
    }

    private void Publish(StandingValue value, long causedBy)
    {
        current = value with { Version = current.Version + 1, CauseReceivedUnixUs = causedBy };
        var waiting = next;
        next = NewSignal();
        waiting.SetResult();
    }

    private void Pace(TimeSpan elapsed, TimeSpan work)
    {
        // The shortest of three: one that was slow because the machine was busy for a moment must not delay an alert.
        var typical = new[] { elapsed, took.Last, took.Before }.Min();
        took = (elapsed, took.Last);
        var own = typical > Quick ? 9 * typical : TimeSpan.Zero;
        var shared = budget.Charge(work);
        pause = own > shared ? own : shared;
        evaluatedAt = clock.GetTimestamp();
    }

    private async Task WaitAsync(Task signal, TimeSpan wait, CancellationToken gone)
    {
        try
        {
            await signal.WaitAsync(wait, clock, gone);
        }
        catch (TimeoutException)
        {
            // Nothing new: the caller gets what there is.
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
