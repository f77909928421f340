namespace Orleans.Runtime;

/// <summary>Values that travel with grain calls, from caller to callee.</summary>
public static class RequestContext
{
    private static readonly AsyncLocal<Dictionary<string, object>?> Values = new();
    private const string ReentrancyKey = "#CCR";

    /// <summary>Whose call chain may come back into the grains that allowed it; empty where none did.</summary>
    public static Guid ReentrancyId
    {
        get => Get(ReentrancyKey) is Guid id ? id : Guid.Empty;
        set
        {
            if (value == Guid.Empty) Remove(ReentrancyKey);
            else Set(ReentrancyKey, value);
        }
    }

    /// <summary>The names that are set.</summary>
    public static IEnumerable<string> Keys => Values.Value?.Keys ?? Enumerable.Empty<string>();

    /// <summary>All names and values.</summary>
    public static IEnumerable<KeyValuePair<string, object>> Entries => Values.Value ?? Enumerable.Empty<KeyValuePair<string, object>>();

    /// <summary>What is sent along with a call. Dictionaries are never changed once set, so it can be shared.</summary>
    internal static Dictionary<string, object>? Current
    {
        get => Values.Value;
        set => Values.Value = value;
    }

    /// <summary>Until disposed, calls that this grain causes may come back into it while it waits for them.</summary>
    public static ReentrancySection AllowCallChainReentrancy()
    {
        var outer = ReentrancyId;
        return new ReentrancySection(outer, outer == Guid.Empty ? Guid.NewGuid() : outer);
    }

    /// <summary>Until disposed, calls that this grain causes may not come back into grains that allowed it.</summary>
    public static ReentrancySection SuppressCallChainReentrancy() => new(ReentrancyId, Guid.Empty);

    /// <summary>A value; null where there is none.</summary>
    public static object? Get(string key) => Values.Value is { } values && values.TryGetValue(key, out var value) ? value : null;

    /// <summary>Sets a value for the calls made from here on.</summary>
    public static void Set(string key, object value) =>
        Values.Value = Values.Value is { } values ? new Dictionary<string, object>(values) { [key] = value } : new(1) { [key] = value };

    /// <summary>Removes a value; false where there was none.</summary>
    public static bool Remove(string key)
    {
        if (Values.Value is not { } values || !values.ContainsKey(key)) return false;
        var rest = new Dictionary<string, object>(values);
        rest.Remove(key);
        Values.Value = rest.Count == 0 ? null : rest;
        return true;
    }

    /// <summary>Removes all values.</summary>
    public static void Clear()
    {
        if (Values.Value is not null) Values.Value = null;
    }

    internal static Guid ReentrancyOf(Dictionary<string, object>? values) =>
        values is not null && values.TryGetValue(ReentrancyKey, out var id) && id is Guid guid ? guid : Guid.Empty;

    /// <summary>The extent of a permission, or prohibition, to come back.</summary>
    public readonly struct ReentrancySection : IDisposable
    {
        private readonly Guid outer;
        private readonly Guid inner;

        /// <summary>Goes from one permission to another; empty for none.</summary>
        public ReentrancySection(Guid originalReentrancyId, Guid newReentrancyId)
        {
            outer = originalReentrancyId;
            inner = newReentrancyId;
            if (inner != outer) ReentrancyId = inner;
            if (inner != Guid.Empty) Activation.Current?.EnterReentrantSection(inner);
        }

        /// <summary>Goes back to what was before.</summary>
        public void Dispose()
        {
            if (inner != Guid.Empty) Activation.Current?.LeaveReentrantSection(inner);
            if (inner != outer) ReentrancyId = outer;
        }
    }
}
