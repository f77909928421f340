namespace Vigil.Testing;

/// <summary>
/// A <see cref="TimeProvider"/> that moves only when told: <see cref="Advance"/> runs every timer that falls due on the way,
/// in order of due time, each seeing the time it was due at. Timestamps follow the same clock, and like timers do not notice that
/// the wall clock is <see cref="SetBack"/>.
/// </summary>
public sealed class FakeClock : TimeProvider
{
    private readonly Lock gate = new();
    private readonly List<FakeTimer> timers = [];
    private DateTimeOffset now;
    private TimeSpan setBack;
    private long order;

    public FakeClock() : this(new DateTimeOffset(2026, 1, 5, 12, 0, 0, TimeSpan.Zero)) { }

    public FakeClock(DateTimeOffset start) => now = start;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (gate) return now - setBack;
    }

    public override long GetTimestamp()
    {
        lock (gate) return now.UtcTicks;
    }

    /// <summary>Sets the wall clock back, as somebody who corrects it does: it goes on from there.</summary>
    public void SetBack(TimeSpan by)
    {
        lock (gate) setBack += by;
    }

    /// <summary>How many timers wait for a moment to come: lets a test wait until the code under test has armed its timer.</summary>
    public int ArmedTimers
    {
        get { lock (gate) return timers.Count(t => t.Due is not null); }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, callback, state);
        lock (gate) timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock forward by <paramref name="by"/>, running what falls due on this thread.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        DateTimeOffset target;
        lock (gate) target = now + by;
        while (true)
        {
            FakeTimer? next;
            lock (gate)
            {
                next = timers.Where(t => t.Due <= target).OrderBy(t => t.Due).ThenBy(t => t.Order).FirstOrDefault();
                if (next is null)
                {
                    now = target;
                    return;
                }
                if (next.Due > now) now = next.Due!.Value;
                next.Rearm(now, ++order);
            }
            next.Run();
        }
    }

    private sealed class FakeTimer(FakeClock clock, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan period = Timeout.InfiniteTimeSpan;

        public DateTimeOffset? Due { get; private set; }

        public long Order { get; private set; }

        public void Rearm(DateTimeOffset from, long newOrder)
        {
            Due = period > TimeSpan.Zero ? from + period : null;
            Order = newOrder;
        }

        public void Run() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            bool runNow;
            lock (clock.gate)
            {
                if (!clock.timers.Contains(this)) return false;
                period = newPeriod;
                Order = ++clock.order;
                runNow = dueTime == TimeSpan.Zero;
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : clock.now + dueTime;
                if (runNow) Rearm(clock.now, Order);
            }
            // A due time of zero means "at once, on another thread", as with the system's timers.
            if (runNow) ThreadPool.QueueUserWorkItem(_ => Run());
            return true;
        }

        public void Dispose()
        {
            lock (clock.gate) clock.timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
