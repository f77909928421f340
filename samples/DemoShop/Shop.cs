namespace DemoShop;

/// <summary>Something that is sold.</summary>
internal sealed record Article(int Id, string Name, decimal Price);

/// <summary>What is left after an order.</summary>
internal sealed record Ordered(int Id, int Left);

/// <summary>The stock, and whether the shop works.</summary>
internal sealed class Shop
{
    private readonly int[] stock = [40, 25, 10];
    private volatile bool broken;

    public IReadOnlyList<Article> Articles { get; } = [new(1, "Lantern", 24.90m), new(2, "Night watchman's coat", 119m), new(3, "Brass bell", 64.50m)];

    public bool IsBroken => broken;

    public void Break() => broken = true;

    public void Repair() => broken = false;

    /// <summary>What is left, or null where there is none.</summary>
    public int? Order(int id)
    {
        if (id < 1 || id > stock.Length) return null;
        var left = Interlocked.Decrement(ref stock[id - 1]);
        if (left >= 0) return left;
        Interlocked.Increment(ref stock[id - 1]);
        return null;
    }
}
