namespace Vigil.Metrics.Watch.Groups;

/// <summary>Who watches what of a group, and who has to hear of something.</summary>
/// <param name="clock">Only its timestamps.</param>
internal sealed class GroupSessions(TimeProvider clock)
{
    private static readonly TimeSpan Unfollowed = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, GroupSession> sessions = new(StringComparer.Ordinal);
    private readonly HashSet<GroupSession> toWake = [];

    public int Count => sessions.Count;

    /// <summary>Those at present: the list stays as it is while sessions end.</summary>
    public GroupSession[] All => [.. sessions.Values];

    /// <summary>Those that have not asked for so long that they are taken for gone.</summary>
    public GroupSession[] Gone => [.. sessions.Values.Where(s => s.Waiting == 0 && clock.GetElapsedTime(s.AskedAt) > Unfollowed)];

    public GroupSession? Find(string name) => sessions.GetValueOrDefault(name);

    public GroupSession Open(string name)
    {
        var session = new GroupSession(name);
        sessions.Add(name, session);
        return session;
    }

    /// <summary>A session whose watches have ended is one no more.</summary>
    public void Close(GroupSession session) => sessions.Remove(session.Name);

    /// <summary>All who watch an expression are to be given what it has become.</summary>
    public void Changed(GroupQuery query)
    {
        foreach (var (session, watch) in query.Watches)
        {
            session.Changed(watch);
            toWake.Add(session);
        }
    }

    /// <summary>Answers the calls that wait for what has changed.</summary>
    public void Wake()
    {
        foreach (var session in toWake) session.Wake();
        toWake.Clear();
    }

    /// <summary>Waits until a session has something to hear, or as long as it would.</summary>
    public async Task WaitAsync(GroupSession session, TimeSpan wait, CancellationToken gone)
    {
        try
        {
            await session.Signal.Task.WaitAsync(wait, clock, gone);
        }
        catch (TimeoutException)
        {
            // Nothing new.
        }
    }
}
