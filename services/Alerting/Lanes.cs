namespace Vigil.Alerting;

/// <summary>
/// Runs work that belongs to one key in order, and different keys side by side. A key costs something only while it has work.
/// </summary>
/// <param name="work">Does one item's work.</param>
/// <param name="failed">Hears of work that threw; the key's next item is done all the same.</param>
/// <param name="maxPerKey">Items that may wait for one key.</param>
/// <param name="maxInAll">Items that may wait in all.</param>
internal sealed class Lanes<TItem>(Func<TItem, Task> work, Action<TItem, Exception> failed, int maxPerKey, int maxInAll)
{
    private readonly Dictionary<string, Queue<TItem>> lanes = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private int waiting;

    /// <summary>Items not yet finished.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    /// <summary>Takes an item; false when the key, or all of them together, have as much work as they may.</summary>
    public bool TryAdd(string key, TItem item)
    {
        lock (gate)
        {
            if (waiting >= maxInAll) return false;
            if (lanes.TryGetValue(key, out var lane))
            {
                if (lane.Count >= maxPerKey) return false;
                lane.Enqueue(item);
                waiting++;
                return true;
            }
            lane = new Queue<TItem>();
            lane.Enqueue(item);
            lanes.Add(key, lane);
            waiting++;
        }
        _ = Task.Run(() => DrainAsync(key));
        return true;
    }

    private async Task DrainAsync(string key)
    {
        while (true)
        {
            TItem item;
            lock (gate)
            {
                var lane = lanes[key];
                if (lane.Count == 0)
                {
                    lanes.Remove(key);
                    return;
                }
                item = lane.Peek();
            }
            try
            {
                await work(item).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                failed(item, e);
            }
            lock (gate)
            {
                lanes[key].Dequeue();
                waiting--;
            }
        }
    }
}
