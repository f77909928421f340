namespace Vigil.Client;

/// <summary>How a <see cref="MetricsPusher"/> behaves.</summary>
public sealed record MetricsPusherOptions
{
    /// <summary>Labels put on every series that does not have them itself. Give at least <c>job</c> (the service) and <c>instance</c>.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>A frame is sent by itself once it holds this many samples. 1 to 65,536.</summary>
    public int MaxSamplesPerFrame { get; init; } = 8192;

    /// <summary>
    /// Samples kept, sent or not, until they are acknowledged. When it is reached <see cref="MetricsPusher.FlushAsync"/> waits: that is
    /// the back-pressure a caller feels.
    /// </summary>
    public int MaxUnacknowledgedSamples { get; init; } = 1_000_000;

    /// <summary>The first pause before connecting again; it doubles up to <see cref="MaxReconnectDelay"/>, each with up to half taken off at random.</summary>
    public TimeSpan ReconnectDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause before connecting again.</summary>
    public TimeSpan MaxReconnectDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Told of everything the server did not take. Must not throw and must not block.</summary>
    public Action<RefusedSamples>? OnRefused { get; init; }

    /// <summary>Told when the connection is made (null) or lost (the reason). Must not throw and must not block.</summary>
    public Action<Exception?>? OnConnection { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSamplesPerFrame, 1, nameof(MaxSamplesPerFrame));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxSamplesPerFrame, 65_536, nameof(MaxSamplesPerFrame));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxUnacknowledgedSamples, MaxSamplesPerFrame, nameof(MaxUnacknowledgedSamples));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ReconnectDelay, TimeSpan.Zero, nameof(ReconnectDelay));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxReconnectDelay, ReconnectDelay, nameof(MaxReconnectDelay));
    }
}

/// <summary>Samples or a declaration that the server refused.</summary>
/// <param name="Series">Name and labels as text, where known.</param>
/// <param name="Reason">The cause's name, e.g. <c>TooOld</c>.</param>
/// <param name="Detail">A sentence that names the field and the limit.</param>
/// <param name="Samples">How many samples; 0 for a refused declaration.</param>
public sealed record RefusedSamples(string Series, string Reason, string Detail, long Samples);

/// <summary>A series that was declared on a <see cref="MetricsPusher"/>.</summary>
/// <param name="Id">Its number on the stream.</param>
/// <param name="Name">The metric's name.</param>
public readonly record struct SeriesHandle(uint Id, string Name);

/// <summary>What a pusher has done so far.</summary>
/// <param name="Recorded">Samples given to it.</param>
/// <param name="Accepted">Samples the server stored.</param>
/// <param name="Refused">Samples the server refused.</param>
/// <param name="Duplicate">Samples the server knew from an earlier sending.</param>
/// <param name="Unacknowledged">Samples kept until the server answers.</param>
/// <param name="Reconnects">Connections lost and tried again.</param>
/// <param name="Resent">
/// Samples sent once more because the server had forgotten their series, which were declared anew. Not among the refused, unless they were
/// in the end.
/// </param>
public sealed record PusherStatistics(long Recorded, long Accepted, long Refused, long Duplicate, long Unacknowledged, long Reconnects, long Resent = 0);
