using Microsoft.Extensions.DependencyInjection;

namespace Orleans.Runtime;

/// <summary>
/// One grain in memory. It is its own synchronization context, so that what a grain method awaits comes back here, and runs one item at a
/// time on the thread pool. All fields but <see cref="inbox"/> belong to the running turn: there is no lock. Calls are in
/// Activation.Calls.cs, coming and going in Activation.Lifecycle.cs.
/// </summary>
internal sealed partial class Activation : SynchronizationContext, IGrainContext, IThreadPoolWorkItem
{
    // After so many items the activation queues up behind others, so that a hot grain leaves them a thread.
    private const int ItemsPerTurnOnThread = 256;

    // In the inbox instead of null while the activation runs or is queued to run: a sender that finds null there must queue it.
    private static readonly WorkItem Working = new ActionItem(_ => { });

    private readonly GrainClass grainClass;
    private WorkItem? inbox;
    private WorkItem? ready;
    private Rare? rare;
    private int watched;
    private int itemsLeft;

    internal Activation(Silo silo, GrainClass grainClass, GrainId grainId)
    {
        Silo = silo;
        this.grainClass = grainClass;
        GrainId = grainId;
        lastActive = silo.Epoch;
    }

    /// <summary>The activation whose turn this code is part of; null outside of grains.</summary>
    public static new Activation? Current => SynchronizationContext.Current as Activation;

    internal Silo Silo { get; }

    public GrainId GrainId { get; }

    public object? GrainInstance { get; private set; }

    public GrainReference GrainReference => Silo.Reference(grainClass.MainInterface, GrainId);

    // A scope of its own, made when it is first asked for: most grains take singletons only.
    public IServiceProvider ActivationServices =>
        LazyInitializer.EnsureInitialized(ref Extra.Scope, () => Silo.ServiceProvider.CreateScope()).ServiceProvider;

    public Task Deactivated
    {
        get
        {
            var source = LazyInitializer.EnsureInitialized(ref Extra.DeactivatedSource, static () => new(TaskCreationOptions.RunContinuationsAsynchronously));
            if (IsGone) source.TrySetResult();
            return source.Task;
        }
    }

    internal GrainClass Class => grainClass;

    // What most activations never need is kept out of line: an idle activation is counted in bytes.
    private Rare Extra => rare ?? Interlocked.CompareExchange(ref rare, new Rare(), null) ?? rare;

    public bool Equals(IGrainContext? other) => ReferenceEquals(this, other);

    public void SetComponent<TComponent>(TComponent? value) where TComponent : class
    {
        var components = LazyInitializer.EnsureInitialized(ref Extra.Components, static () => []);
        lock (components)
        {
            if (value is null) components.Remove(typeof(TComponent));
            else components[typeof(TComponent)] = value;
        }
    }

    public TComponent? GetComponent<TComponent>() where TComponent : class
    {
        if (rare?.Components is { } components)
        {
            lock (components)
            {
                if (components.TryGetValue(typeof(TComponent), out var found)) return (TComponent)found;
            }
        }
        return GrainInstance as TComponent ?? this as TComponent;
    }

    public override void Post(SendOrPostCallback d, object? state) => Enqueue(new PostedItem(d, state));

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (Current != this) throw new NotSupportedException("Nothing may wait for an activation's turn on a thread: await instead");
        d(state);
    }

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Hands over an item from any thread. Items of one sender run in the order they were handed over.</summary>
    internal void Enqueue(WorkItem item)
    {
        var head = Volatile.Read(ref inbox);
        while (true)
        {
            item.Next = head;
            var found = Interlocked.CompareExchange(ref inbox, item, head);
            if (found == head) break;
            head = found;
        }
        if (head is null) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        SetSynchronizationContext(this);
        var clean = ExecutionContext.Capture();
        if (watched == 0) Silo.Watch(this, ref watched);
        itemsLeft = ItemsPerTurnOnThread;
        do
        {
            TakeInbox();
            while (ready is { } item)
            {
                if (itemsLeft-- <= 0)
                {
                    SetSynchronizationContext(null);
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                    return;
                }
                ready = item.Next;
                item.Next = null;
                item.Run(this);
                if (clean is not null && !ReferenceEquals(ExecutionContext.Capture(), clean)) ExecutionContext.Restore(clean);
            }
        }
        while (Interlocked.CompareExchange(ref inbox, null, Working) != Working);
        SetSynchronizationContext(null);
    }

    /// <summary>Moves what was sent, newest first, behind what is ready, oldest first.</summary>
    private void TakeInbox()
    {
        if (ready is not null) return;
        var item = Interlocked.Exchange(ref inbox, Working);
        WorkItem? oldest = null;
        while (item is not null && item != Working)
        {
            var next = item.Next;
            item.Next = oldest;
            oldest = item;
            item = next;
        }
        ready = oldest;
    }

    /// <summary>Held by few activations, and never given up again.</summary>
    private sealed class Rare
    {
        public TaskCompletionSource? DeactivatedSource;
        public Dictionary<Type, object>? Components;
        public Dictionary<Guid, int>? ReentrantSections;
        public IServiceScope? Scope;
        public HashSet<GrainTimer>? Timers;
        public DateTimeOffset KeepUntil;
        public DeactivationReason? Reason;
    }
}
