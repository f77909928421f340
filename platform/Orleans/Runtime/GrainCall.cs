using System.Reflection;
using System.Runtime.CompilerServices;
using Orleans.Serialization;
using Orleans.Serialization.Invocation;

namespace Orleans.Runtime;

/// <summary>
/// One call to a grain, from the sender's <see cref="Send"/> to its outcome. For each method of a grain interface the silo makes a subclass
/// that holds the arguments in fields of their own types: see <see cref="ProxyFactory"/>.
/// </summary>
internal abstract class GrainCall : WorkItem, IInvokable
{
    private int deadline;
    private bool hasOutcome;
    private long sentAt;

    internal abstract GrainMethod Method { get; }

    /// <summary>The values that travel with the call.</summary>
    internal Dictionary<string, object>? Context { get; private set; }

    /// <summary>Where the call is, or was.</summary>
    internal Activation? Target { get; set; }

    /// <summary>The activation that made the call; null where the caller is no grain.</summary>
    internal Activation? Source { get; private set; }

    /// <summary>The call during which this one was made, while this one goes on; null where the caller is no grain.</summary>
    internal GrainCall? Parent { get; private set; }

    /// <summary>The last call made during this one.</summary>
    internal GrainCall? Child { get; private set; }

    internal GrainCall? NextRunning { get; set; }

    internal GrainCall? PreviousRunning { get; set; }

    /// <summary>Held up by the calls that run.</summary>
    internal bool IsWaiting { get; set; }

    internal bool HasTimedOut { get; private set; }

    /// <summary>The trace of the call; null while nothing listens.</summary>
    internal CallTrace? Trace { get; set; }

    /// <summary>What the caller cancels with; set by the proxy where the method takes a token.</summary>
    internal CancellationToken CallerToken;

    internal CallCancellation? Cancellation { get; private set; }

    /// <summary>The token that the grain is given.</summary>
    internal CancellationToken GrainToken => Cancellation?.Token ?? default;

    internal bool IsReadOnly => Method.IsReadOnly;

    internal virtual bool AlwaysInterleaves => Method.AlwaysInterleaves;

    internal virtual bool KeepsAlive => true;

    internal virtual bool IsForwardable => true;

    /// <summary>Whether the caller has an outcome already.</summary>
    internal abstract bool IsDone { get; }

    internal virtual bool IsExpired(int tick) => tick >= deadline && !IsDone && !Method.IsOneWay;

    /// <summary>Runs the call on its activation's turn; false where its method awaits something, and <see cref="Complete"/> will follow.</summary>
    internal abstract bool Start(Activation activation);

    /// <summary>Tells the caller the outcome of a method that awaited something.</summary>
    internal abstract void Complete(Activation activation);

    internal abstract void Fail(Exception failure, Activation activation);

    internal sealed override void Run(Activation activation)
    {
        if (hasOutcome) activation.Finish(this);
        else activation.Receive(this);
    }

    internal virtual void TimeOut(Activation activation)
    {
        HasTimedOut = true;
        activation.Silo.Instruments.TimedOut(activation.Class.GrainType);
        Fail(new TimeoutException(CallChain.DescribeTimeout(this, activation)), activation);
        if (activation.Silo.Messaging.CancelRequestOnTimeout && Cancellation is { } cancellation)
            activation.Enqueue(new ActionItem(_ => cancellation.Cancel()));
    }

    /// <summary>Fails the call at once for a caller who no longer waits for it.</summary>
    internal abstract void CancelForCaller();

    internal void Send(GrainReference reference)
    {
        var silo = reference.Silo;
        Context = RequestContext.Current;
        deadline = silo.DeadlineFor(Method.Timeout);
        if (Activation.Current is { } source)
        {
            Source = source;
            if (source.CurrentCall is { } parent)
            {
                Parent = parent;
                parent.Child = this;
            }
        }
        if (CallTrace.IsListenedTo) Trace = CallTrace.Start(this, reference.GrainId);
        if (silo.Instruments.MeasuresLatency) sentAt = silo.HostTime.GetTimestamp();
        try
        {
            Deliver(reference.Target);
        }
        catch (Exception e) when (e is OrleansException or ArgumentException)
        {
            Refuse(e);
        }
    }

    /// <summary>Fails a call that found no activation to go to.</summary>
    internal abstract void Refuse(Exception failure);

    internal void Deliver(Activation target)
    {
        Target = target;
        // A token that is cancelled already ends the call here, and the activation drops it.
        if (CallerToken.CanBeCanceled) Cancellation ??= new CallCancellation(this, CallerToken, target.Silo.Messaging.WaitForCancellationAcknowledgement);
        target.Enqueue(this);
    }

    /// <summary>Brings the call back to its activation when <paramref name="pending"/> has ended.</summary>
    protected void CompleteAfter<TAwaiter>(TAwaiter pending) where TAwaiter : ICriticalNotifyCompletion
    {
        hasOutcome = true;
        pending.UnsafeOnCompleted(() => Target!.Enqueue(this));
    }

    /// <summary>What follows once the caller has its outcome.</summary>
    protected void End(Activation activation, Exception? failure)
    {
        // A call holds its caller for messages only; a chain of calls that nobody waits for must not hold all that went before.
        Parent = null;
        Cancellation?.Dispose();
        Trace?.End(failure);
        if (sentAt != 0) activation.Silo.Instruments.Ended(activation.Silo.HostTime.GetElapsedTime(sentAt));
    }

    public object? GetTarget() => Target?.GrainInstance;

    public int GetArgumentCount() => Method.Parameters.Length;

    public object? GetArgument(int index) => Argument(index).GetValue(this);

    public void SetArgument(int index, object value) => Argument(index).SetValue(this, value);

    public string GetMethodName() => Method.Method.Name;

    public string GetInterfaceName() => Method.InterfaceName;

    public string GetActivityName() => Method.ActivityName;

    public MethodInfo GetMethod() => Method.Method;

    public Type GetInterfaceType() => Method.InterfaceType;

    public override string ToString() => $"{Method.InterfaceType.Name}({Target?.GrainId}).{Method.Method.Name}";

    // Filters only look at arguments, and rarely: reflection will do.
    private FieldInfo Argument(int index) => GetType().GetField(ProxyFactory.ArgumentField(index)) ?? throw new ArgumentOutOfRangeException(nameof(index));
}

/// <summary>A call whose method returns a <typeparamref name="T"/>, or <see cref="Nothing"/>.</summary>
internal abstract class GrainCall<T> : GrainCall
{
    private readonly TaskCompletionSource<T> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ValueTask<T> pending;

    internal Task<T> Task => outcome.Task;

    internal override bool IsDone => outcome.Task.IsCompleted;

    /// <summary>Calls the method on the grain object.</summary>
    internal abstract ValueTask<T> Invoke(object target);

    internal override bool Start(Activation activation)
    {
        try
        {
            if (Context is not null) RequestContext.Current = Context;
            pending = Trace is not null || activation.HasFilters ? IncomingCall.InvokeAsync(this, activation) : Invoke(activation.GrainInstance!);
            if (!pending.IsCompleted)
            {
                CompleteAfter(pending.ConfigureAwait(false).GetAwaiter());
                return false;
            }
        }
        catch (Exception e)
        {
            pending = ValueTask.FromException<T>(e);
        }
        Complete(activation);
        return true;
    }

    internal override void Complete(Activation activation)
    {
        T result;
        try
        {
            result = pending.GetAwaiter().GetResult();
            if (!Method.ReturnsImmutable) result = DeepCopier.Copy(result);
        }
        catch (Exception e)
        {
            Fail(e, activation);
            return;
        }
        pending = default;
        if (outcome.TrySetResult(result)) End(activation, null);
    }

    internal override void Fail(Exception failure, Activation activation)
    {
        activation.NoteFailure(failure);
        if (!outcome.TrySetException(failure)) return;
        End(activation, failure);
        if (!Method.IsOneWay) return;
        activation.Silo.Log.OneWayFailed(failure, activation.GrainId, Method.Method.Name);
        // Nobody awaits it: it is seen to here.
        _ = outcome.Task.Exception;
    }

    internal override void Refuse(Exception failure)
    {
        if (outcome.TrySetException(failure)) Trace?.End(failure);
    }

    internal override void CancelForCaller()
    {
        if (!outcome.TrySetCanceled(CallerToken)) return;
        Target!.Silo.Instruments.Canceled(Target.Class.GrainType);
        End(Target, new OperationCanceledException(CallerToken));
    }
}

/// <summary>The result of a method that returns <see cref="System.Threading.Tasks.Task"/> or <see cref="ValueTask"/>.</summary>
internal readonly struct Nothing
{
    public static ValueTask<Nothing> From(Task task) => From(new ValueTask(task));

    public static ValueTask<Nothing> From(ValueTask task)
    {
        if (!task.IsCompletedSuccessfully) return Await(task);
        task.GetAwaiter().GetResult();
        return default;

        static async ValueTask<Nothing> Await(ValueTask task)
        {
            await task.ConfigureAwait(false);
            return default;
        }
    }
}

/// <summary>
/// Carries a caller's cancellation to the grain. The grain's token is cancelled on the grain's own turn, so that what it registered there
/// runs as part of it.
/// </summary>
internal sealed class CallCancellation : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly CancellationTokenRegistration registration;
    private readonly GrainCall call;
    private readonly bool waits;

    public CallCancellation(GrainCall call, CancellationToken token, bool waitsForGrain)
    {
        this.call = call;
        waits = waitsForGrain;
        registration = token.UnsafeRegister(static state => ((CallCancellation)state!).CallerCancelled(), this);
    }

    public CancellationToken Token => source.Token;

    public void Cancel() => source.Cancel();

    public void Dispose() => registration.Unregister();

    private void CallerCancelled()
    {
        call.Target!.Enqueue(new ActionItem(_ => Cancel()));
        if (!waits) call.CancelForCaller();
    }
}
