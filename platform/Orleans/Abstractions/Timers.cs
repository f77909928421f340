using System.Diagnostics.CodeAnalysis;

namespace Orleans.Runtime;

/// <summary>A timer of one activation. It ends with the activation, or when it is disposed.</summary>
public interface IGrainTimer : IDisposable
{
    /// <summary>Sets when it ticks next, and how long after the end of each tick the next one comes; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    void Change(TimeSpan dueTime, TimeSpan period);
}

/// <summary>How a grain timer ticks.</summary>
public readonly struct GrainTimerCreationOptions()
{
    /// <summary>A timer that ticks after <paramref name="dueTime"/> and then each <paramref name="period"/>.</summary>
    [SetsRequiredMembers]
    public GrainTimerCreationOptions(TimeSpan dueTime, TimeSpan period) : this()
    {
        DueTime = dueTime;
        Period = period;
    }

    /// <summary>How long until the first tick; zero for at once, <see cref="Timeout.InfiniteTimeSpan"/> for not before <see cref="IGrainTimer.Change"/>.</summary>
    public required TimeSpan DueTime { get; init; }

    /// <summary>From the end of one tick to the next; <see cref="Timeout.InfiniteTimeSpan"/> for a single tick.</summary>
    public required TimeSpan Period { get; init; }

    /// <summary>Whether a tick may interleave with calls and other timers. It never overlaps itself.</summary>
    public bool Interleave { get; init; }

    /// <summary>Whether ticks keep an idle activation alive.</summary>
    public bool KeepAlive { get; init; }
}
