namespace Vigil.Alerting.Notify;

/// <summary>A page that a policy keeps until it is told, as far as the bound on their number is concerned.</summary>
/// <param name="Key">Its idempotency key.</param>
/// <param name="Fingerprint">Its alert.</param>
/// <param name="Firing">False when it is resolved.</param>
internal readonly record struct OutboxEntry(string Key, string Fingerprint, bool Firing);

/// <summary>
/// Which pages a policy lets go of when they cannot be told for long: those that newer ones of the same alert say better, and, where
/// that is not enough, those of alerts that are over. The newest page of an alert that fires is never let go of: somebody will be
/// told of it, at least once.
/// </summary>
internal static class Outbox
{
    /// <summary>Pages of one alert that are kept: firing and resolved in turn. An alert that flaps while a channel is away would fill the outbox by itself.</summary>
    public const int MaxPerAlert = 20;

    /// <summary>The keys of the pages to let go of.</summary>
    /// <param name="outbox">In the order in which they were decided.</param>
    /// <param name="most">
    /// Pages to keep. Exceeded only by alerts that fire at this moment, whose number is limited itself
    /// (<see cref="PoliciesOptions.MaxAlertsPerPolicy"/>).
    /// </param>
    public static IReadOnlySet<string> Overflow(IReadOnlyList<OutboxEntry> outbox, int most)
    {
        var dropped = new HashSet<string>(StringComparer.Ordinal);
        if (outbox.Count <= Math.Min(most, MaxPerAlert)) return dropped;
        // By the age of their newest page.
        var alerts = outbox.Select((entry, i) => (entry, i)).GroupBy(e => e.entry.Fingerprint, StringComparer.Ordinal)
            .OrderBy(g => g.Last().i).Select(g => g.Select(e => e.entry).ToArray()).ToArray();
        foreach (var pages in alerts) Drop(Superseded(pages, MaxPerAlert));
        // Never told of at all rather than told that it fires and never that it is over.
        foreach (var pages in alerts.Where(p => !p[^1].Firing).OrderBy(p => p.Length == 1))
        {
            if (Fits()) return dropped;
            Drop(pages);
        }
        foreach (var pages in alerts.Where(p => p[^1].Firing))
        {
            if (Fits()) return dropped;
            Drop(Superseded(pages, 1));
        }
        return dropped;

        bool Fits() => outbox.Count - dropped.Count <= most;

        void Drop(IEnumerable<OutboxEntry> pages)
        {
            foreach (var page in pages) dropped.Add(page.Key);
        }
    }

    // The oldest; and with a firing page the resolved one that belongs to it, which would speak of something unheard of.
    private static IEnumerable<OutboxEntry> Superseded(OutboxEntry[] pages, int keep)
    {
        var count = pages.Length - keep;
        if (count <= 0) return [];
        while (count < pages.Length - 1 && !pages[count].Firing) count++;
        return pages.Take(count);
    }
}
