using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>What became of the samples of a request.</summary>
internal sealed class WriteOutcome
{
    private const int MaxMessages = 10;
    private readonly List<string> messages = [];
    private long untold;

    /// <summary>Samples that are durable now, those among them that were before.</summary>
    public long Samples { get; set; }

    /// <summary>Native histograms that are durable now.</summary>
    public long Histograms { get; set; }

    /// <summary>Samples and histograms refused.</summary>
    public long Refused { get; private set; }

    /// <summary>Some of what was refused, by series and reason, and how many more there were.</summary>
    public string Message => string.Join("; ", untold == 0 ? messages : messages.Append($"and {untold} more"));

    /// <summary>Counts a refusal.</summary>
    /// <param name="series">The series, as text.</param>
    /// <param name="cause">Why.</param>
    /// <param name="detail">Why, as a sentence.</param>
    /// <param name="count">How many samples.</param>
    public void Refuse(string series, RefusalCause cause, string detail, long count)
    {
        Refused += count;
        if (messages.Count < MaxMessages) messages.Add($"{series}: {cause}: {detail}");
        else untold += count;
    }
}
