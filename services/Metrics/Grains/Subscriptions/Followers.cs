using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Who is to hear of samples that are stored: standing queries, which read what they need themselves, and groups of them, which are told the samples. A
/// series names both among its subscribers, groups by the complement of their position.
/// </summary>
internal sealed class Followers
{
    private readonly List<Following?> groups = [];

    /// <summary>Positions of the subscriptions that heard of a sample since they were taken.</summary>
    public HashSet<int> Touched { get; } = [];

    /// <summary>Groups that have something to hear.</summary>
    public List<Following> WithNews { get; } = [];

    /// <summary>When the row that is applied was received, microseconds since 1970.</summary>
    public long ReceivedUnixUs { get; set; }

    /// <summary>Selections that are followed.</summary>
    public int Count { get; private set; }

    /// <summary>Notes a sample for all who follow its series; without a value a native histogram.</summary>
    public void Stored(SeriesEntry entry, long time, double? value)
    {
        foreach (var subscriber in entry.Subscribers!)
        {
            if (subscriber >= 0)
            {
                Touched.Add(subscriber);
                continue;
            }
            if (groups[~subscriber] is { } group && Note(group, entry, time, value)) continue;
            Detach(entry, subscriber);
        }
    }

    /// <summary>Renews what a group follows, and adds to it. The group, or null where there would be more than <paramref name="most"/> selections.</summary>
    public Following? Follow(FollowRequest request, LabelMatcher[][] added, long now, SeriesTable table, int most)
    {
        var at = groups.FindIndex(g => g?.Group == request.Group);
        if (at >= 0 && groups[at]!.Epoch != request.Epoch) End(at);
        if (at < 0 || groups[at] is null)
        {
            at = groups.IndexOf(null) is var free && free >= 0 ? free : groups.Count;
            if (at == groups.Count) groups.Add(null);
            groups[at] = new Following(request.Group, request.Epoch);
            // The group may believe that it is followed still.
            groups[at]!.Lose();
        }
        var group = groups[at]!;
        group.Until = now + request.LeaseSeconds * 1000L;
        Count -= group.Count;
        foreach (var id in request.Removed) group.Remove(id);
        var fits = Count + group.Count + added.Length <= most;
        for (var i = 0; fits && i < added.Length; i++) Add(group, at, request.Added[i], added[i], table);
        Count += group.Count;
        return fits ? group : null;
    }

    /// <summary>Finds the groups that follow a new series.</summary>
    public void Added(SeriesEntry entry)
    {
        if (groups.Count == 0) return;
        var labels = entry.Labels;
        for (var at = 0; at < groups.Count; at++)
        {
            if (groups[at] is { } group && group.Matching(labels).Count > 0) Attach(entry, ~at);
        }
    }

    /// <summary>A group does not follow any more.</summary>
    public void End(Following following)
    {
        if (groups.IndexOf(following) is var at && at >= 0) End(at);
    }

    /// <summary>Drops the groups that did not ask again in time. Their series notice with their next sample.</summary>
    public void Expire(long now)
    {
        for (var at = 0; at < groups.Count; at++)
        {
            if (groups[at] is { } group && group.Until < now) End(at);
        }
    }

    private void End(int at)
    {
        Count -= groups[at]!.Count;
        groups[at] = null;
    }

    private static void Add(Following group, int at, FollowedSelection selection, LabelMatcher[] matchers, SeriesTable table)
    {
        group.Add(selection, matchers);
        var found = new List<SeriesEntry>();
        table.Find(matchers, found);
        foreach (var entry in found)
        {
            group.Introduce(entry);
            Attach(entry, ~at);
        }
    }

    private bool Note(Following group, SeriesEntry entry, long time, double? value)
    {
        if (!group.Note(entry, time, value, ReceivedUnixUs)) return false;
        // Whoever tells it something takes this along.
        if (group.Telling || group.Queued) return true;
        group.Queued = true;
        WithNews.Add(group);
        return true;
    }

    private static void Attach(SeriesEntry entry, int subscriber)
    {
        if (entry.Subscribers is null) entry.Subscribers = [subscriber];
        else if (!entry.Subscribers.Contains(subscriber)) entry.Subscribers = [.. entry.Subscribers, subscriber];
    }

    private static void Detach(SeriesEntry entry, int subscriber)
    {
        var left = entry.Subscribers!.Where(s => s != subscriber).ToArray();
        entry.Subscribers = left.Length == 0 ? null : left;
    }
}
