using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>A <c>match[]</c> parameter.</summary>
/// <param name="Text">As sent.</param>
/// <param name="Matchers">What it demands.</param>
internal sealed record PrometheusSelector(string Text, IReadOnlyList<LabelMatcher> Matchers)
{
    /// <summary>All selectors of a request.</summary>
    /// <exception cref="PrometheusException">One is no selector, or one that every series fits.</exception>
    public static IReadOnlyList<PrometheusSelector> Read(PrometheusParameters parameters)
    {
        var selectors = new List<PrometheusSelector>();
        foreach (var text in parameters.All("match[]"))
        {
            if (!PromQlParser.TryParseSelector(text ?? "", out var selector, out var error)) throw PrometheusException.BadParameter("match[]", error.ToString());
            if (selector.Matchers.All(m => m.MatchesEmpty)) throw PrometheusException.BadParameter("match[]", "match[] must contain at least one non-empty matcher");
            selectors.Add(new(text ?? "", selector.Matchers));
        }
        return selectors;
    }
}
