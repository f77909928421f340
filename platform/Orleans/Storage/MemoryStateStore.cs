using System.Collections.Concurrent;
using Orleans.Runtime;

namespace Orleans.Storage;

/// <summary>States in memory, as text: what a grain holds and what is stored stay two things, as with a database.</summary>
internal sealed class MemoryStateStore : IStateStore
{
    private readonly ConcurrentDictionary<StateKey, StoredState> records = [];

    public ValueTask<StoredState?> ReadAsync(StateKey key, CancellationToken cancellationToken) =>
        new(records.TryGetValue(key, out var found) ? found : null);

    public ValueTask<long?> WriteAsync(StateKey key, string? payload, long? expected, CancellationToken cancellationToken)
    {
        if (expected is null) return new(records.TryAdd(key, new(payload, 1)) ? 1 : null);
        if (!records.TryGetValue(key, out var found) || found.Version != expected) return new((long?)null);
        return new(records.TryUpdate(key, new(payload, expected.Value + 1), found) ? expected + 1 : null);
    }

    public ValueTask<bool> DeleteAsync(StateKey key, long expected, CancellationToken cancellationToken) =>
        new(records.TryGetValue(key, out var found) && found.Version == expected && records.TryRemove(new(key, found)));
}
