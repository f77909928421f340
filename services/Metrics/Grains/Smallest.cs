namespace Vigil.Metrics.Grains;

/// <summary>Of what is added, in whatever order, the first in order; no more of it is held than twice as many.</summary>
/// <param name="most">How many, at least one.</param>
/// <param name="order">The order.</param>
internal sealed class Smallest<T>(int most, Comparison<T> order)
{
    private readonly List<T> items = [];
    private bool cut;

    /// <summary>There are as many as are wanted.</summary>
    public bool IsFull => items.Count >= most;

    public void Add(T item)
    {
        // The last of those that were kept: what comes after it is not among the first.
        if (cut && order(item, items[most - 1]) >= 0) return;
        items.Add(item);
        if (items.Count >= 2L * most) Cut();
    }

    /// <summary>Those that were found, in any order.</summary>
    public T[] Take()
    {
        if (items.Count > most) Cut();
        return [.. items];
    }

    private void Cut()
    {
        items.Sort(order);
        items.RemoveRange(most, items.Count - most);
        cut = true;
    }
}
