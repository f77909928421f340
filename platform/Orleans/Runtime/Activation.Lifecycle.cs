namespace Orleans.Runtime;

internal enum ActivationState : byte
{
    New,
    Activating,
    Valid,

    /// <summary>Asked to go; the calls that run are waited for.</summary>
    Draining,

    /// <summary>The grain's <c>OnDeactivateAsync</c> runs.</summary>
    Closing,

    /// <summary>Out of the catalog: what still comes here is sent on to the next activation.</summary>
    Gone,
}

/// <summary>How an activation comes and goes.</summary>
internal sealed partial class Activation
{
    private volatile ActivationState state;
    private int lastActive;

    internal bool IsGone => state == ActivationState.Gone;

    public void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default)
    {
        if (Current == this) RequestDeactivation(deactivationReason);
        else Enqueue(new ActionItem(activation => activation.RequestDeactivation(deactivationReason)));
    }

    internal void DelayDeactivation(TimeSpan time)
    {
        var now = Silo.Time.GetUtcNow();
        Extra.KeepUntil = time < TimeSpan.Zero && time != Timeout.InfiniteTimeSpan ? default
            : time == Timeout.InfiniteTimeSpan || time > DateTimeOffset.MaxValue - now ? DateTimeOffset.MaxValue
            : now + time;
    }

    /// <summary>Asks, from any thread, to go if it is still idle when its turn comes.</summary>
    internal void CollectIfIdle(int epoch)
    {
        if (state == ActivationState.Valid && IsIdle(epoch)) Enqueue(new ActionItem(activation => activation.Collect(epoch)));
    }

    internal IGrainTimer RegisterTimer<TState>(Func<TState, CancellationToken, Task> callback, TState timerState, GrainTimerCreationOptions options)
    {
        var timer = new GrainTimer<TState>(this, callback, timerState, options);
        var timers = Extra.Timers ??= [];
        timers.Add(timer);
        timer.Change(options.DueTime, options.Period);
        return timer;
    }

    internal void Remove(GrainTimer timer) => rare?.Timers?.Remove(timer);

    private bool IsIdle(int epoch) =>
        runningCount == 0 && firstWaiting is null && epoch - lastActive > grainClass.IdleEpochs
        && (rare is null || rare.KeepUntil <= Silo.Time.GetUtcNow());

    private void Collect(int epoch)
    {
        if (state == ActivationState.Valid && IsIdle(epoch))
            RequestDeactivation(new(DeactivationReasonCode.ActivationIdle, $"idle for {grainClass.CollectionAge}"));
    }

    private void Activate()
    {
        state = ActivationState.Activating;
        try
        {
            var states = grainClass.Create(this, out var instance);
            GrainInstance = instance;
            if (states is null && !grainClass.OverridesOnActivate)
            {
                Activated();
                return;
            }
            _ = ActivateAsync((IGrainBase)instance, states);
        }
        catch (Exception e)
        {
            FailActivation(e);
        }
    }

    private async Task ActivateAsync(IGrainBase instance, IActivationState[]? states)
    {
        var timeout = Silo.Collection.ActivationTimeout;
        try
        {
            using var cancellation = new CancellationTokenSource(timeout, Silo.HostTime);
            try
            {
                foreach (var stored in states ?? []) await stored.ReadStateAsync(cancellation.Token);
                await instance.OnActivateAsync(cancellation.Token);
            }
            catch (OperationCanceledException e) when (cancellation.IsCancellationRequested)
            {
                throw new TimeoutException($"{GrainId} was not activated within {timeout}", e);
            }
            Activated();
        }
        catch (Exception e)
        {
            FailActivation(e);
        }
    }

    private void Activated()
    {
        state = ActivationState.Valid;
        lastActive = Silo.Epoch;
        Silo.Instruments.Activated();
        // Where OnActivateAsync itself asked to go, the calls it was made for are served first: a new activation would only ask again.
        RunWaiting();
        if (rare?.Reason is { } reason) RequestDeactivation(reason);
    }

    private void FailActivation(Exception failure)
    {
        Silo.Log.ActivationFailed(failure, GrainId);
        Silo.Instruments.ActivationFailed();
        StopTimers();
        state = ActivationState.Gone;
        Silo.Catalog.Remove(this);
        while (firstWaiting is not null) Dequeue().Fail(failure, this);
        _ = DropInstanceAsync();
    }

    private void RequestDeactivation(DeactivationReason reason)
    {
        switch (state)
        {
            case ActivationState.Valid:
                Extra.Reason = reason;
                state = ActivationState.Draining;
                // Inside a call's turn the end of that turn goes on.
                if (runningCount == 0 && current is null) BeginDeactivation();
                break;
            case ActivationState.Activating:
                Extra.Reason ??= reason;
                break;
            case ActivationState.New:
                Extra.Reason = reason;
                End();
                break;
        }
    }

    private void BeginDeactivation()
    {
        state = ActivationState.Closing;
        StopTimers();
        Silo.Instruments.Deactivated();
        _ = DeactivateAsync();
    }

    private async Task DeactivateAsync()
    {
        var timeout = Silo.Collection.DeactivationTimeout;
        try
        {
            if (grainClass.OverridesOnDeactivate)
            {
                using var cancellation = new CancellationTokenSource(timeout, Silo.HostTime);
                await ((IGrainBase)GrainInstance!).OnDeactivateAsync(rare!.Reason!.Value, cancellation.Token).WaitAsync(timeout, Silo.HostTime);
            }
        }
        catch (Exception e)
        {
            // It goes all the same: a grain that cannot say goodbye must not stay for ever.
            Silo.Log.DeactivationFailed(e, GrainId);
        }
        await DropInstanceAsync();
        End();
    }

    private async Task DropInstanceAsync()
    {
        var (instance, scope) = (GrainInstance, rare?.Scope);
        try
        {
            if (instance is IAsyncDisposable asyncDisposable) await asyncDisposable.DisposeAsync();
            else (instance as IDisposable)?.Dispose();
            if (scope is IAsyncDisposable asyncScope) await asyncScope.DisposeAsync();
            else scope?.Dispose();
        }
        catch (Exception e)
        {
            Silo.Log.DeactivationFailed(e, GrainId);
        }
        GrainInstance = null;
    }

    private void End()
    {
        state = ActivationState.Gone;
        Silo.Catalog.Remove(this);
        while (firstWaiting is not null) Forward(Dequeue());
        rare?.DeactivatedSource?.TrySetResult();
    }

    private void Forward(GrainCall call)
    {
        if (call.IsDone || !call.IsForwardable) return;
        Silo.Resend(call, GrainId);
    }

    private void StopTimers()
    {
        if (rare?.Timers is not { } timers) return;
        foreach (var timer in timers.ToArray()) timer.Dispose();
    }
}
