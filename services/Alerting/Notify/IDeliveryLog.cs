namespace Vigil.Alerting.Notify;

/// <summary>What became of a page on a channel.</summary>
/// <param name="Page">What was told.</param>
/// <param name="Channel">Where.</param>
/// <param name="At">When it was settled.</param>
/// <param name="Attempts">How many it took.</param>
/// <param name="Delivered">False: it was given up.</param>
/// <param name="Detail">Why it was given up.</param>
/// <param name="Latency">From the sample that caused it to the page having left; zero when time caused it.</param>
internal sealed record Delivery(Page Page, string Channel, DateTimeOffset At, int Attempts, bool Delivered, string Detail, TimeSpan Latency);

/// <summary>Remembers what was told to whom: what the dispatcher drops repeats by, and people look into afterwards.</summary>
internal interface IDeliveryLog
{
    /// <summary>True when this page was delivered on this channel, or given up, before.</summary>
    Task<bool> IsSettledAsync(string idempotencyKey, string channel, CancellationToken ct);

    /// <summary>Stores an outcome; a later one of the same page and channel replaces it.</summary>
    Task RecordAsync(Delivery delivery, CancellationToken ct);
}

/// <summary>Hears what becomes of pages.</summary>
internal interface IPageReports
{
    /// <summary>One channel is done with it.</summary>
    void Reported(Delivery delivery);

    /// <summary>Every channel is done with it, and that is on record: nobody needs to keep it any longer.</summary>
    Task SettledAsync(Page page);
}
