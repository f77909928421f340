using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Watch;

/// <summary>The policies in force, as this process watches them.</summary>
internal sealed class PolicyTable
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = NewSignal();
    private IReadOnlyDictionary<string, PolicyDefinition> current = new Dictionary<string, PolicyDefinition>();

    /// <summary>By key.</summary>
    public IReadOnlyDictionary<string, PolicyDefinition> Current
    {
        get { lock (gate) return current; }
    }

    /// <summary>The policies, and a task that ends when they are others.</summary>
    public (IReadOnlyDictionary<string, PolicyDefinition> Policies, Task Changed) Observe()
    {
        lock (gate) return (current, changed.Task);
    }

    public void Replace(IReadOnlyList<PolicyDefinition> policies)
    {
        TaskCompletionSource before;
        lock (gate)
        {
            current = policies.ToDictionary(p => p.Key, StringComparer.Ordinal);
            before = changed;
            changed = NewSignal();
        }
        before.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
