using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>A watch of a session that a group keeps. What is mutable changes only while nothing else is written to the call.</summary>
/// <param name="number">Its number in the session.</param>
/// <param name="id">The caller's name for it.</param>
/// <param name="expr">The expression.</param>
/// <param name="heartbeat">The longest silence.</param>
internal sealed class GroupWatch(int number, string id, string expr, TimeSpan heartbeat)
{
    public int Number { get; } = number;

    public string Id { get; } = id;

    public string Expr { get; } = expr;

    public TimeSpan Heartbeat { get; } = heartbeat;

    /// <summary>What the caller was told last; null where nothing.</summary>
    public StandingValue? Value { get; set; }

    /// <summary>The group's activation that it came from.</summary>
    public long Epoch { get; set; }

    /// <summary>A moment that does not go back.</summary>
    public long At { get; set; }

    /// <summary>A timestamp.</summary>
    public long WrittenAt { get; set; }

    public bool Ended { get; set; }
}
