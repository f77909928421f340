using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>A <c>match[]</c> parameter.</summary>
/// <param name="Text">As sent.</param>
/// <param name="Matchers">What it demands.</param>
internal sealed record PrometheusSelector(string Text, IReadOnlyList<LabelMatcher> Matchers)
{
    private const string Parameter = "match[]";

    /// <summary>All selectors of a request, for an endpoint whose errors name the parameter.</summary>
    /// <exception cref="PrometheusException">One is no selector, or one that every series fits.</exception>
    public static IReadOnlyList<PrometheusSelector> ReadNamed(PrometheusParameters parameters) =>
        Read(parameters, static message => PrometheusException.BadParameter(Parameter, message));

    /// <summary>All selectors of a request.</summary>
    /// <exception cref="PrometheusException">One is no selector, or one that every series fits.</exception>
    public static IReadOnlyList<PrometheusSelector> Read(PrometheusParameters parameters) => Read(parameters, PrometheusException.BadData);

    private static List<PrometheusSelector> Read(PrometheusParameters parameters, Func<string, PrometheusException> failure)
    {
        var selectors = new List<PrometheusSelector>();
        foreach (var text in parameters.All(Parameter))
        {
            if (!PromQlParser.TryParseSelector(text ?? "", out var selector, out var error)) throw failure(error.ToString());
            if (selector.Matchers.All(m => m.MatchesEmpty)) throw failure("match[] must contain at least one non-empty matcher");
            selectors.Add(new(text ?? "", selector.Matchers));
        }
        return selectors;
    }
}
