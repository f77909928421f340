namespace Vigil.Metrics.Tests.Durability;

/// <summary>What a door says to a batch.</summary>
/// <param name="Taken">All of it is durable.</param>
/// <param name="Unavailable">It says that it cannot for the moment, so that senders come again: UNAVAILABLE, or 503.</param>
/// <param name="Message">Its words.</param>
internal readonly record struct DoorAnswer(bool Taken, bool Unavailable, string Message);

/// <summary>A sample to send. Metric and job are the door's name unless others are given.</summary>
internal sealed record DoorSample(long TimeMs, double Value)
{
    public string? Metric { get; init; }

    public string? Job { get; init; }

    /// <summary>Labels besides the job.</summary>
    public (string Name, string Value)[] Labels { get; init; } = [("n", "0")];
}

/// <summary>A way in whose answer to a batch can be waited for.</summary>
internal abstract class Door : IDisposable
{
    /// <summary>Series in a batch.</summary>
    public const int Width = 50;

    /// <summary>The metric's name, and the job's.</summary>
    public abstract string Name { get; }

    /// <summary>What the service's counters call it.</summary>
    public abstract string Counter { get; }

    /// <summary>Labels that all its series have: job, and what else comes by itself.</summary>
    public virtual int OwnLabels => 1;

    /// <summary>Series that its job has before anything was sent.</summary>
    public virtual int OwnSeries => 0;

    /// <summary>The service's time when it will read what is sent next, milliseconds since 1970.</summary>
    public virtual long NextNow(TimeProvider clock) => clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Sends a batch.</summary>
    public abstract Task<DoorAnswer> SendAsync(IReadOnlyList<DoorSample> samples);

    /// <summary>Sends one value for each of <see cref="Width"/> series.</summary>
    public Task<DoorAnswer> SendAsync(long timeMs, double value) =>
        SendAsync([.. Enumerable.Range(0, Width).Select(i => new DoorSample(timeMs, value) { Labels = [("n", $"{i}")] })]);

    public virtual void Dispose()
    {
    }

    /// <summary>All that callers send to.</summary>
    public static IReadOnlyList<Door> All(Uri grpc, Uri http) =>
        [new PushDoor(grpc), new OtlpGrpcDoor(grpc), new OtlpDeltaDoor(grpc), new OtlpHttpDoor(http), new RemoteWriteDoor(http), new RemoteWrite2Door(http)];

    protected IEnumerable<IGrouping<string, DoorSample>> ByJob(IEnumerable<DoorSample> samples) => samples.GroupBy(s => s.Job ?? Name);

    protected string MetricOf(DoorSample sample) => sample.Metric ?? Name;
}
