using System.Collections;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Api;

/// <summary>
/// What is refused of one message: the first by name, the rest by reason and number. A message of a million bad declarations must not be
/// answered with a million refusals.
/// </summary>
internal sealed class RefusalList(ulong sequence = 0) : IEnumerable<Refusal>
{
    /// <summary>Refusals of one message that are told one by one.</summary>
    public const int MaxListed = 256;

    /// <summary>Characters of a refused series' name and labels.</summary>
    public const int MaxSeriesLength = 256;

    private const int MaxDetailLength = 1_024;

    private readonly List<Refusal> listed = [];
    private Dictionary<RefusalReason, (uint Refusals, uint Samples)>? unlisted;

    /// <summary>Nothing is refused.</summary>
    public bool IsEmpty => listed.Count == 0;

    /// <summary>Refuses a series.</summary>
    /// <param name="number">The caller's number; 0 where it is not known.</param>
    /// <param name="series">Name and labels; empty where they are not known.</param>
    /// <param name="reason">Why.</param>
    /// <param name="detail">Why, as a sentence.</param>
    /// <param name="samples">How many samples of it; 0 for a declaration.</param>
    public void Add(uint number, string series, RefusalReason reason, string detail, uint samples = 0)
    {
        if (listed.Count < MaxListed)
        {
            listed.Add(new Refusal { Sequence = sequence, SeriesId = number, Series = Shorten(series, MaxSeriesLength), Reason = reason, Detail = Shorten(detail, MaxDetailLength), Samples = samples });
            return;
        }
        unlisted ??= [];
        var (refusals, before) = unlisted.GetValueOrDefault(reason);
        unlisted[reason] = (refusals + 1, before + samples);
    }

    /// <summary>How many were refused, by reason.</summary>
    public IEnumerable<(RefusalReason Reason, long Refusals)> Counts =>
        listed.GroupBy(r => r.Reason, (reason, all) => (reason, (long)all.Count())).Concat((unlisted ?? []).Select(u => (u.Key, (long)u.Value.Refusals)));

    public IEnumerator<Refusal> GetEnumerator()
    {
        foreach (var refusal in listed) yield return refusal;
        foreach (var (reason, (refusals, samples)) in unlisted ?? [])
        {
            yield return new Refusal
            {
                Sequence = sequence,
                Reason = reason,
                Samples = samples,
                Unlisted = refusals,
                Detail = $"{refusals} more were refused for this reason; at most {MaxListed} of a message are told one by one",
            };
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static string Shorten(string text, int length)
    {
        if (text.Length <= length) return text;
        // Not in the middle of a surrogate pair, which could not be sent.
        var end = char.IsHighSurrogate(text[length - 2]) ? length - 2 : length - 1;
        return string.Concat(text.AsSpan(0, end), "…");
    }
}
