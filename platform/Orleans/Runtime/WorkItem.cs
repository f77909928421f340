namespace Orleans.Runtime;

/// <summary>Something that an activation runs on its turn. An item is in one queue at a time, through <see cref="Next"/>.</summary>
internal abstract class WorkItem
{
    internal WorkItem? Next;

    /// <summary>Called by the activation, one item at a time. Throws nothing.</summary>
    internal abstract void Run(Activation activation);
}

/// <summary>An awaited task's continuation, or whatever else is posted to the activation.</summary>
internal sealed class PostedItem(SendOrPostCallback callback, object? state) : WorkItem
{
    internal override void Run(Activation activation)
    {
        try
        {
            callback(state);
        }
        catch (Exception e)
        {
            // An async void method of a grain ended so. Nobody awaits it, and the activation's other work must go on.
            activation.Silo.Log.PostedWorkFailed(e, activation.GrainId);
        }
    }
}

internal sealed class ActionItem(Action<Activation> action) : WorkItem
{
    internal override void Run(Activation activation) => action(activation);
}
