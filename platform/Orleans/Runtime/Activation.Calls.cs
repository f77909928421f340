namespace Orleans.Runtime;

/// <summary>Which call runs when.</summary>
internal sealed partial class Activation
{
    private GrainCall? firstWaiting;
    private GrainCall? lastWaiting;
    private GrainCall? running;
    private GrainCall? current;
    private int waitingReaders;
    private int runningReaders;
    private int runningExclusive;
    private int runningCount;
    private int waitingCount;

    /// <summary>
    /// The call that this turn belongs to, as far as that is known: while several calls interleave, only the part of a call before its
    /// first await can be told apart.
    /// </summary>
    internal GrainCall? CurrentCall => current ?? (runningCount == 1 ? running : null);

    internal void EnterReentrantSection(Guid id)
    {
        var sections = Extra.ReentrantSections ??= [];
        sections[id] = sections.GetValueOrDefault(id) + 1;
    }

    internal void LeaveReentrantSection(Guid id)
    {
        var sections = Extra.ReentrantSections ??= [];
        var count = sections.GetValueOrDefault(id) - 1;
        if (count <= 0) sections.Remove(id);
        else sections[id] = count;
    }

    internal void Receive(GrainCall call)
    {
        // It timed out or was cancelled on its way.
        if (call.IsDone) return;
        if (call.KeepsAlive) lastActive = Silo.Epoch;
        if (Silo.LimitsCalls && call.IsForwardable && state != ActivationState.Gone && Overload() is { } overload)
        {
            Silo.Instruments.Refused(grainClass.GrainType);
            call.Fail(overload, this);
            return;
        }
        switch (state)
        {
            case ActivationState.Valid when MayRun(call):
            case ActivationState.Draining when ComesBack(call):
                Start(call);
                AfterTurn();
                break;
            case ActivationState.Gone:
                Forward(call);
                break;
            default:
                Wait(call);
                if (state == ActivationState.New) Activate();
                break;
        }
    }

    /// <summary>A call whose method had awaited something has its outcome.</summary>
    internal void Finish(GrainCall call)
    {
        Unlink(call);
        call.Complete(this);
        RunWaiting();
    }

    /// <summary>Why a further call is refused; null where it is not.</summary>
    private LimitExceededException? Overload()
    {
        var (soft, hard) = (Silo.Messaging.MaxEnqueuedRequestsSoftLimit, Silo.Messaging.MaxEnqueuedRequestsHardLimit);
        var calls = runningCount + waitingCount;
        if (hard > 0 && calls > hard) return new LimitExceededException(nameof(Configuration.SiloMessagingOptions.MaxEnqueuedRequestsHardLimit), calls, hard, GrainId);
        // Once each time that it is passed, not for each call beyond it.
        if (soft > 0 && calls == soft + 1) Silo.Log.ManyCalls(GrainId, calls, soft);
        return null;
    }

    private bool MayRun(GrainCall call) =>
        (runningExclusive == 0 && (runningReaders == 0 || call.IsReadOnly))
        || Interleaves(call)
        || ComesBack(call)
        || (grainClass.MayInterleave is { } predicate && predicate(GrainInstance!, call));

    private bool Interleaves(GrainCall call) => grainClass.IsReentrant || call.AlwaysInterleaves;

    // A call caused by one that runs here and allowed it.
    private bool ComesBack(GrainCall call) =>
        rare is { ReentrantSections.Count: > 0 } && call.Context is not null && rare.ReentrantSections.ContainsKey(RequestContext.ReentrancyOf(call.Context));

    private void Start(GrainCall call)
    {
        var before = ExecutionContext.Capture();
        current = call;
        var done = call.Start(this);
        current = null;
        // What a call put into the execution context is not the next one's business.
        if (before is not null && !ReferenceEquals(ExecutionContext.Capture(), before)) ExecutionContext.Restore(before);
        if (!done) Link(call);
    }

    private void AfterTurn()
    {
        if (firstWaiting is not null) RunWaiting();
        else if (state == ActivationState.Draining && runningCount == 0) BeginDeactivation();
    }

    private void RunWaiting()
    {
        while (state == ActivationState.Valid && firstWaiting is { } call)
        {
            if (!call.IsDone)
            {
                if (!MayRun(call)) break;
                if (itemsLeft-- <= 0)
                {
                    Enqueue(new ActionItem(static activation => activation.RunWaiting()));
                    return;
                }
            }
            Dequeue();
            if (!call.IsDone) Start(call);
        }
        if (state == ActivationState.Valid && waitingReaders > 0 && runningReaders > 0 && runningExclusive == 0) RunWaitingReaders();
        if (state == ActivationState.Draining && runningCount == 0) BeginDeactivation();
    }

    // Reads join the reads that run, past a write that waits.
    private void RunWaitingReaders()
    {
        var call = firstWaiting;
        firstWaiting = lastWaiting = null;
        waitingReaders = waitingCount = 0;
        while (call is not null)
        {
            var next = (GrainCall?)call.Next;
            call.Next = null;
            if (call.IsReadOnly && state == ActivationState.Valid && !call.IsDone) Start(call);
            else Wait(call);
            call = next;
        }
    }

    private void Wait(GrainCall call)
    {
        call.IsWaiting = true;
        if (lastWaiting is null) firstWaiting = call;
        else lastWaiting.Next = call;
        lastWaiting = call;
        waitingCount++;
        if (call.IsReadOnly) waitingReaders++;
    }

    private GrainCall Dequeue()
    {
        var call = firstWaiting!;
        firstWaiting = (GrainCall?)call.Next;
        if (firstWaiting is null) lastWaiting = null;
        call.Next = null;
        call.IsWaiting = false;
        waitingCount--;
        if (call.IsReadOnly) waitingReaders--;
        return call;
    }

    private void Link(GrainCall call)
    {
        runningCount++;
        if (!Interleaves(call))
        {
            if (call.IsReadOnly) runningReaders++;
            else runningExclusive++;
        }
        call.NextRunning = running;
        if (running is not null) running.PreviousRunning = call;
        running = call;
    }

    private void Unlink(GrainCall call)
    {
        runningCount--;
        if (!Interleaves(call))
        {
            if (call.IsReadOnly) runningReaders--;
            else runningExclusive--;
        }
        if (call.PreviousRunning is { } previous) previous.NextRunning = call.NextRunning;
        else running = call.NextRunning;
        if (call.NextRunning is { } next) next.PreviousRunning = call.PreviousRunning;
        call.NextRunning = call.PreviousRunning = null;
    }

    /// <summary>Looks for calls whose time is up, and has itself looked at again while there are any calls at all.</summary>
    internal void SweepAndWatch(int tick)
    {
        Volatile.Write(ref watched, 0);
        if (Sweep(tick)) Silo.Watch(this, ref watched);
    }

    /// <summary>
    /// Fails the calls whose time is up, and says whether there is more to watch. Runs on the silo's timer, beside the activation's own
    /// turns, since a turn that blocks its thread must not keep its callers waiting: so it reads queues that may change under it. That is
    /// safe, as a call can be failed at any time and by anyone, and what one look misses the next one finds; the bound keeps a walk along
    /// links that are being turned round from going on for ever.
    /// </summary>
    private bool Sweep(int tick)
    {
        FailExpired(current, tick, next: null);
        FailExpired(running, tick, static call => call.NextRunning);
        FailExpired(firstWaiting, tick, static call => call.Next);
        FailExpired(ready, tick, static item => item.Next);
        var sent = Volatile.Read(ref inbox);
        FailExpired(sent, tick, static item => item.Next);
        if (firstWaiting is { IsDone: true }) Enqueue(new ActionItem(static activation => activation.RunWaiting()));
        return sent is not null || running is not null || firstWaiting is not null;
    }

    private void FailExpired<T>(T? item, int tick, Func<T, WorkItem?>? next) where T : WorkItem
    {
        for (var seen = 0; item is not null && seen < 1_000_000; seen++)
        {
            if (item is GrainCall call && call.IsExpired(tick)) call.TimeOut(this);
            item = next?.Invoke(item) as T;
        }
    }

    internal bool HasFilters => Silo.Filters.Length > 0 || grainClass.IsFilter;

    /// <summary>Stale state is read anew by the next activation. The exception is marked, so that grains it passes through on its way stay.</summary>
    internal void NoteFailure(Exception failure)
    {
        if (failure is not Storage.InconsistentStateException { IsSourceActivation: true } conflict) return;
        conflict.IsSourceActivation = false;
        RequestDeactivation(new(DeactivationReasonCode.ApplicationError, conflict, "its state was changed by someone else"));
    }

    /// <summary>The calls that run now, for messages.</summary>
    internal IEnumerable<GrainCall> RunningCalls()
    {
        if (current is { } turn) yield return turn;
        var seen = 0;
        for (var call = running; call is not null && seen < 10; call = call.NextRunning, seen++) yield return call;
    }
}
