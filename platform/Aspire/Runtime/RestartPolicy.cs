namespace Aspire.Hosting.Runtime;

/// <summary>When to start again what has died.</summary>
/// <param name="First">The pause after the first death.</param>
/// <param name="Longest">The pause doubles with each death in a row, up to this.</param>
/// <param name="RanWell">A process that ran this long starts a new row.</param>
/// <param name="KeepsDyingAfter">From this many deaths in a row on, the person is told that it keeps dying.</param>
internal sealed record RestartPolicy(TimeSpan First, TimeSpan Longest, TimeSpan RanWell, int KeepsDyingAfter)
{
    public static readonly RestartPolicy Default = new(TimeSpan.FromMilliseconds(250), TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(20), 3);

    /// <param name="deathsInARow">Deaths before this one.</param>
    /// <param name="ranFor">How long the process ran that died now.</param>
    public RestartDecision Decide(int deathsInARow, TimeSpan ranFor)
    {
        var deaths = ranFor >= RanWell ? 1 : deathsInARow + 1;
        // 2^30 times the first pause is past any longest one: the shift never overflows.
        var pause = Math.Min(First.Ticks * Math.Pow(2, Math.Min(deaths - 1, 30)), Longest.Ticks);
        return new RestartDecision(deaths, TimeSpan.FromTicks((long)pause), deaths >= KeepsDyingAfter);
    }
}

internal readonly record struct RestartDecision(int DeathsInARow, TimeSpan Pause, bool KeepsDying);
