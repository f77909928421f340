using System.Diagnostics;
using System.Globalization;

namespace Vigil.StandingQueries;

/// <summary>A program that is sent samples and keeps standing queries.</summary>
internal interface ISide : IAsyncDisposable
{
    int ProcessId { get; }

    Uri Write { get; }

    string? Token { get; }

    /// <summary>Begins to keep the queries.</summary>
    Task WatchAsync(IReadOnlyList<string> expressions, CancellationToken ct);

    /// <summary>A round of samples is about to be sent.</summary>
    void Sending();

    /// <summary>Evaluations so far, and those left out.</summary>
    Task<(double Evaluated, double Missed)> CountAsync(CancellationToken ct);

    /// <summary>What else there is to say.</summary>
    string Remark { get; }
}

/// <param name="CpuBefore">Processors used by the samples alone.</param>
/// <param name="CpuWith">Processors used by the samples and the queries.</param>
/// <param name="Missed">The share of evaluations that were left out.</param>
/// <param name="OwnMicroseconds">Processor's time of an evaluation, without that of the samples.</param>
/// <param name="AllMicroseconds">All processor's time by the number of evaluations.</param>
internal sealed record Result(double CpuBefore, double CpuWith, double EvaluationsPerSecond, double Missed, double OwnMicroseconds, double AllMicroseconds, string Remark);

internal static class Run
{
    public static async Task<Result> MeasureAsync(ISide side, Feed feed, int queries, int seconds, CancellationToken ct)
    {
        using var http = new HttpClient();
        foreach (var body in feed.History()) await feed.SendAsync(http, side, body, ct);
        await PlayAsync(http, side, feed, 3, ct);
        var before = await PlayAsync(http, side, feed, seconds, ct);
        await side.WatchAsync(feed.Queries(queries), ct);
        // What is new is compiled, read for the first time and so on.
        await PlayAsync(http, side, feed, 10, ct);
        var (evaluated, missed) = await side.CountAsync(ct);
        var with = await PlayAsync(http, side, feed, seconds, ct);
        var (evaluatedAfter, missedAfter) = await side.CountAsync(ct);
        var evaluations = evaluatedAfter - evaluated;
        var left = missedAfter - missed;
        return new Result(before.Cpu / before.Elapsed, with.Cpu / with.Elapsed, evaluations / with.Elapsed, left / (evaluations + left),
            (with.Cpu - before.Cpu / before.Elapsed * with.Elapsed) / evaluations * 1e6, with.Cpu / evaluations * 1e6, side.Remark);
    }

    /// <summary>Sends a round of samples each second. Seconds, of the processor and of the clock.</summary>
    private static async Task<(double Cpu, double Elapsed)> PlayAsync(HttpClient http, ISide side, Feed feed, int seconds, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var (cpu, start) = (Cpu(side.ProcessId), Stopwatch.GetTimestamp());
        for (var i = 0; i < seconds; i++)
        {
            side.Sending();
            await feed.SendAsync(http, side, feed.Round(), ct);
            await timer.WaitForNextTickAsync(ct);
        }
        return (Cpu(side.ProcessId) - cpu, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>User and system time, in seconds: fields 14 and 15, in hundredths, of what the kernel says about a process.</summary>
    private static double Cpu(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
    }
}
