namespace Vigil.StorageLoad;

/// <summary>How much is sent.</summary>
internal sealed record Shape(int Series, int Services, int Samples, int StepSeconds, int JitterMs);

/// <summary>
/// Values as services report them, from a fixed seed: of ten series four are integer counters with irregular increments (four rounds of ten add nothing), four are gauges with one to three decimals
/// that wander, two stay as they are.
/// </summary>
internal sealed class Values
{
    /// <summary>Metric names.</summary>
    public const int Names = 10;

    /// <summary>For the report.</summary>
    public const string Mix = "4 integer counters : 4 gauges with 1-3 decimals : 2 constants";

    private readonly Random random;
    private readonly long[] scaled;

    public Values(int series, int seed)
    {
        random = new Random(seed);
        scaled = new long[series];
        for (var i = 0; i < series; i++) scaled[i] = random.Next(1_000_000);
    }

    /// <summary>A series' next value.</summary>
    public double Next(int series)
    {
        var kind = series % 10;
        if (kind < 4) return scaled[series] += random.Next(10) < 4 ? 0 : random.Next(kind == 0 ? 5 : kind == 1 ? 40 : kind == 2 ? 200 : 1_000);
        if (kind >= 8) return scaled[series] % 1000;
        var decimals = 1 + kind % 3;
        return (scaled[series] += random.Next(-20, 21)) / Math.Pow(10, decimals);
    }
}
