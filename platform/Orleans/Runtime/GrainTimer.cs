namespace Orleans.Runtime;

/// <summary>
/// A timer whose ticks are calls of its activation. It is armed again when a tick has ended, so ticks never overlap; a tick that is
/// waiting for its turn is not joined by another.
/// </summary>
internal abstract class GrainTimer(Activation activation, GrainTimerCreationOptions options) : IGrainTimer
{
    // Guards timer, period and pending: Change and Dispose may come from any thread.
    private readonly Lock gate = new();
    private readonly CancellationTokenSource ended = new();
    private ITimer? timer;
    private TimeSpan period;
    private bool pending;
    private bool changed;
    private bool dueAgain;

    internal bool Interleaves => options.Interleave;

    internal bool KeepsAlive => options.KeepAlive;

    protected CancellationToken Ended { get; private set; }

    internal bool IsEnded { get; private set; }

    public void Change(TimeSpan dueTime, TimeSpan newPeriod)
    {
        Check(dueTime, nameof(dueTime));
        Check(newPeriod, nameof(newPeriod));
        lock (gate)
        {
            if (IsEnded) return;
            Ended = ended.Token;
            // A period of zero means what it means to the system's timers: once.
            period = newPeriod == TimeSpan.Zero ? Timeout.InfiniteTimeSpan : newPeriod;
            changed = pending;
            timer ??= CreateTimer();
            timer.Change(dueTime, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (IsEnded) return;
            IsEnded = true;
            timer?.Dispose();
        }
        // Callbacks of the token run as part of the grain, like all that it does.
        activation.Enqueue(new ActionItem(_ => ended.Cancel()));
        if (Activation.Current == activation) activation.Remove(this);
        else activation.Enqueue(new ActionItem(owner => owner.Remove(this)));
    }

    internal abstract Task TickAsync();

    internal void TickEnded()
    {
        lock (gate)
        {
            pending = false;
            // A tick that changed the timer has set the next one itself.
            if (!IsEnded && (dueAgain || !changed)) timer!.Change(dueAgain ? TimeSpan.Zero : period, Timeout.InfiniteTimeSpan);
            changed = dueAgain = false;
        }
    }

    private void Due()
    {
        lock (gate)
        {
            if (IsEnded) return;
            if (pending)
            {
                // Change was called during a tick and its time has come already: tick again when this one ends.
                dueAgain = true;
                return;
            }
            pending = true;
        }
        activation.Enqueue(new TimerTick(this));
    }

    private ITimer CreateTimer()
    {
        // The tick must not inherit what flows with the code that made the timer.
        using (ExecutionContext.SuppressFlow())
            return activation.Silo.Time.CreateTimer(static state => ((GrainTimer)state!).Due(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private static void Check(TimeSpan time, string name)
    {
        if (time != Timeout.InfiniteTimeSpan) ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, name);
    }
}

internal sealed class GrainTimer<TState>(Activation activation, Func<TState, CancellationToken, Task> callback, TState state, GrainTimerCreationOptions options)
    : GrainTimer(activation, options)
{
    internal override Task TickAsync() => callback(state, Ended);
}

/// <summary>One tick, in line with the grain's calls.</summary>
internal sealed class TimerTick(GrainTimer timer) : GrainCall
{
    private static readonly GrainMethod TickMethod = GrainMethod.ForTimer();
    private ValueTask pending;

    internal override GrainMethod Method => TickMethod;

    internal override bool IsDone => timer.IsEnded;

    internal override bool AlwaysInterleaves => timer.Interleaves;

    internal override bool KeepsAlive => timer.KeepsAlive;

    internal override bool IsForwardable => false;

    internal override bool IsExpired(int tick) => false;

    internal override bool Start(Activation activation)
    {
        Target = activation;
        try
        {
            pending = new ValueTask(timer.TickAsync());
        }
        catch (Exception e)
        {
            pending = ValueTask.FromException(e);
        }
        if (!pending.IsCompleted)
        {
            CompleteAfter(pending.ConfigureAwait(false).GetAwaiter());
            return false;
        }
        Complete(activation);
        return true;
    }

    internal override void Complete(Activation activation)
    {
        try
        {
            pending.GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            Fail(e, activation);
        }
        timer.TickEnded();
    }

    internal override void Fail(Exception failure, Activation activation)
    {
        if (timer.IsEnded && failure is OperationCanceledException) return;
        activation.Silo.Log.TimerFailed(failure, activation.GrainId);
        activation.NoteFailure(failure);
    }

    internal override void TimeOut(Activation activation) { }

    internal override void CancelForCaller() { }

    internal override void Refuse(Exception failure) { }
}
