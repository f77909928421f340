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
/// after a restart of either side one evaluation puts everything in place again.
/// </remarks>
[Reentrant]
internal sealed class StandingQueryGrain(QueryCoordinator coordinator, TimeProvider clock, MetricsInstruments instruments, ILogger<StandingQueryGrain> log)
    : Grain, IStandingQueryGrain
{
    private const string Unreadable = "the inputs cannot be read for the moment: the log says why";

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    /// <summary>Followers ask at least every ten seconds.</summary>
    private static readonly TimeSpan Unfollowed = TimeSpan.FromSeconds(30);

    /// <summary>Evaluations that keep taking longer get no more than a tenth of the time.</summary>
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(50);

    private StandingValue current = new();
    private TaskCompletionSource next = NewSignal();
    private string text = "";
    private Expr? expr;
    private long cause;
    private bool dirty;
    private bool evaluating;
    private int followers;
    private DateTimeOffset followedAt = DateTimeOffset.MinValue;
    private DateTimeOffset notBefore;
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
        this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(Tick, Tick) { Interleave = true });
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (expr is not null) instruments.Watches.Add(-1);
        return Task.CompletedTask;
    }

    public async Task<StandingValue> NextAsync(long version, TimeSpan wait)
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
            if ((current.Version == version || current.Version == 0) && wait > TimeSpan.Zero) await WaitAsync(next.Task, wait);
            return current;
        }
        finally
        {
            followers--;
            followedAt = clock.GetUtcNow();
        }
    }

    public Task InputsChangedAsync(long receivedUnixUs)
    {
        // Such a call activates the grain anew after the last follower has left. An evaluation would renew the subscription that the
        // call comes from, and so on for ever.
        if (!IsFollowed(clock.GetUtcNow())) return Task.CompletedTask;
        cause = Math.Max(cause, receivedUnixUs);
        dirty = true;
        // Not awaited: who tells must not wait for the evaluation, which reads from it.
        if (expr is not null && clock.GetUtcNow() >= notBefore) _ = EvaluateAsync();
        return Task.CompletedTask;
    }

    private bool IsFollowed(DateTimeOffset now) => followers > 0 || now - followedAt <= Unfollowed;

    private Task TickAsync()
    {
        var now = clock.GetUtcNow();
        if (!IsFollowed(now))
        {
            DeactivateOnIdle();
            return Task.CompletedTask;
        }
        if (now < notBefore) return Task.CompletedTask;
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
                if (clock.GetUtcNow() < notBefore) break;
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
        // Clocks may be set back; the moments that followers see never go back.
        var at = Math.Max(current.EvaluatedAt, clock.GetUtcNow().ToUnixTimeMilliseconds());
        StandingValue value;
        try
        {
            var (result, input) = await coordinator.InstantAsync(text, parsed, at, text, CancellationToken.None);
            value = StandingResult.From(result.Value, at, input);
        }
        catch (Exception e) when (e is EvaluationException or RefusalException or OperationCanceledException)
        {
            // Once, not with each evaluation until somebody mends it.
            if (e.Message != current.Error) MetricsLog.StandingQueryFailed(log, text, e.Message);
            value = new StandingValue { EvaluatedAt = at, Error = e.Message };
        }
        catch (Exception e)
        {
            // Storage, say. Followers must hear of it: an old value that is confirmed again would be a lie.
            if (current.Error != Unreadable) MetricsLog.StandingQueryBroken(log, text, e);
            value = new StandingValue { EvaluatedAt = at, Error = Unreadable };
        }
        Pace(clock.GetElapsedTime(start));
        if (causedBy == 0 && current.Version > 0 && StandingResult.Same(current, value))
        {
            current = value with { Version = current.Version, CauseReceivedUnixUs = current.CauseReceivedUnixUs };
            return;
        }
        current = value with { Version = current.Version + 1, CauseReceivedUnixUs = causedBy };
        var waiting = next;
        next = NewSignal();
        waiting.SetResult();
    }

    private void Pace(TimeSpan elapsed)
    {
        // The shortest of three: one that was slow because the machine was busy for a moment must not delay an alert.
        var typical = new[] { elapsed, took.Last, took.Before }.Min();
        took = (elapsed, took.Last);
        if (typical > Quick) notBefore = clock.GetUtcNow() + 9 * typical;
    }

    private async Task WaitAsync(Task signal, TimeSpan wait)
    {
        try
        {
            await signal.WaitAsync(wait, clock);
        }
        catch (TimeoutException)
        {
            // Nothing new: the caller gets what there is.
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
