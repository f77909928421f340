using Microsoft.Extensions.Options;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Query;

/// <summary>What labels are asked for.</summary>
/// <param name="Selectors">Series that one of these finds; any where there are none. With the text of each.</param>
/// <param name="From">With a sample since then, milliseconds since 1970.</param>
/// <param name="To">And up to then.</param>
/// <param name="Limit">As many are wanted, the first in order; 0 for all.</param>
internal sealed record LabelQuestion(IReadOnlyList<(string Text, IReadOnlyList<LabelMatcher> Matchers)> Selectors, long From, long To, int Limit);

/// <summary>
/// Finds series and their labels in all services, in order. Each grain answers from its index, with no more than is wanted; where a limit is asked for
/// there is one more than that if there are any.
/// </summary>
internal sealed class LabelFinder(QueryCoordinator coordinator, IOptions<MetricsOptions> options)
{
    /// <summary>The names of labels.</summary>
    /// <exception cref="RefusalException">There are too many, it took too long, too many others are running, or a grain cannot be reached.</exception>
    public Task<string[]> NamesAsync(LabelQuestion question, string caller, CancellationToken ct) => TextsAsync(question, LabelsOf.Names, "", caller, ct);

    /// <summary>The values of a label.</summary>
    /// <exception cref="RefusalException">There are too many, it took too long, too many others are running, or a grain cannot be reached.</exception>
    public Task<string[]> ValuesAsync(LabelQuestion question, string label, string caller, CancellationToken ct) => TextsAsync(question, LabelsOf.Values, label, caller, ct);

    /// <summary>Series.</summary>
    /// <exception cref="RefusalException">There are too many, it took too long, too many others are running, or a grain cannot be reached.</exception>
    public async Task<LabelSet[]> SeriesAsync(LabelQuestion question, string caller, CancellationToken ct)
    {
        var found = await AskAsync(question, LabelsOf.Series, "", options.Value.MaxSeriesPerQuery, caller, ct).ConfigureAwait(false);
        return First(found.SelectMany(r => r.Series).Distinct(), LabelOrder.Compare, "series", nameof(MetricsOptions.MaxSeriesPerQuery), options.Value.MaxSeriesPerQuery, question.Limit);
    }

    private async Task<string[]> TextsAsync(LabelQuestion question, LabelsOf wanted, string label, string caller, CancellationToken ct)
    {
        var found = await AskAsync(question, wanted, label, options.Value.MaxLabelValues, caller, ct).ConfigureAwait(false);
        return First(found.SelectMany(r => r.Texts).Distinct(StringComparer.Ordinal), string.CompareOrdinal, wanted == LabelsOf.Names ? "label names" : $"values of {label}",
            nameof(MetricsOptions.MaxLabelValues), options.Value.MaxLabelValues, question.Limit);
    }

    private Task<IReadOnlyList<LabelReply>> AskAsync(LabelQuestion question, LabelsOf wanted, string label, int most, string caller, CancellationToken ct)
    {
        var selectors = question.Selectors.Count == 0 ? [("{}", [])] : question.Selectors;
        var request = new LabelRequest
        {
            Wanted = wanted,
            Label = label,
            Selectors = [.. selectors.Select(s => s.Matchers.Select(m => new MatcherSpec { Name = m.Name, Kind = m.Kind, Value = m.Value }).ToArray())],
            From = question.From,
            To = question.To,
            // One more shows that there are more.
            Most = (question.Limit > 0 ? Math.Min(question.Limit, most) : most) + 1,
            IsRefusal = question.Limit == 0 || question.Limit > most,
        };
        return coordinator.AskAsync(string.Join(", ", selectors.Select(s => s.Text)), selectors.Select(s => s.Matchers), new QueryTerms("series", caller), grain => grain.FindLabelsAsync(request), ct);
    }

    private static T[] First<T>(IEnumerable<T> found, Comparison<T> order, string what, string key, int most, int limit)
    {
        var all = found.ToArray();
        if (all.Length > most && (limit == 0 || limit > most))
            throw new RefusalException(RefusalKind.ResourceExhausted, $"there are more than {most} {what} (Metrics:{key}): ask for the first of them by limit, or select by match[]");
        Array.Sort(all, order);
        return all;
    }
}
