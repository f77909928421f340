using System.Diagnostics;
using System.Globalization;

namespace Aspire.Hosting.Runtime;

/// <summary>
/// Names the AppHost that started a process. It is in the environment of everything an AppHost starts, and so of all that those start in turn:
/// by it the watchdog, and the next AppHost, find what one that died has left behind, whatever process groups or sessions it moved to.
/// </summary>
internal sealed record RunTag(int Pid, long Start, string Directory)
{
    public const string Variable = "ASPIRE_APPHOST_RUN";

    public static RunTag OfThisProcess(string directory) => new(Environment.ProcessId, Procfs.StartOf(Environment.ProcessId) ?? 0, directory);

    public static RunTag? OfProcess(int pid) => Procfs.EnvironmentOf(pid, Variable) is { } text ? Parse(text) : null;

    public static RunTag? Parse(string text)
    {
        var parts = text.Split(':', 3);
        return parts.Length == 3 && int.TryParse(parts[0], CultureInfo.InvariantCulture, out var pid) && long.TryParse(parts[1], CultureInfo.InvariantCulture, out var start)
            ? new RunTag(pid, start, parts[2])
            : null;
    }

    /// <summary>Whether the AppHost is still there.</summary>
    public bool IsAlive => Procfs.StartOf(Pid) == Start;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid}:{Start}:{Directory}");

    /// <summary>The running processes whose tag is as asked, except this one.</summary>
    public static IReadOnlyList<int> Find(Func<RunTag, bool> wanted) =>
        [.. Procfs.Pids().Where(pid => pid != Environment.ProcessId && OfProcess(pid) is { } tag && wanted(tag) && Procfs.StartOf(pid) is not null)];

    /// <summary>Ends processes: asks, waits for <paramref name="patience"/>, kills; again while new ones appear. Returns what it ended.</summary>
    public static async Task<IReadOnlyList<int>> EndAllAsync(Func<RunTag, bool> wanted, TimeSpan patience, TimeProvider clock)
    {
        var ended = new HashSet<int>();
        var start = clock.GetTimestamp();
        var asked = new HashSet<int>();
        var empty = 0;
        // Twice the patience bounds it: what survives SIGKILL (a process in uninterruptible sleep) cannot be ended by anyone.
        while (clock.GetElapsedTime(start) < patience * 2 + TimeSpan.FromSeconds(2))
        {
            var left = Find(wanted);
            // Three looks: on a busy machine one has been seen to miss processes that were there.
            if (left.Count > 0) empty = 0;
            else if (++empty == 3) break;
            var kill = clock.GetElapsedTime(start) >= patience;
            foreach (var pid in left)
            {
                if (kill) Procfs.Signal(pid, Procfs.SigKill);
                else if (asked.Add(pid)) Procfs.Signal(pid, Procfs.SigTerm);
                ended.Add(pid);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(30), clock).ConfigureAwait(false);
        }
        return [.. ended];
    }
}
