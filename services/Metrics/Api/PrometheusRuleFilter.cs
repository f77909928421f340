using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>A rule as it is shown.</summary>
internal sealed record ShownRule(int Line, string Name, LabelSet Labels, Action<Utf8JsonWriter> Write);

/// <summary>A group as it is shown: rules of both kinds, where the file has both in it.</summary>
internal sealed class ShownGroup(string file, string name)
{
    public string File => file;

    public string Name => name;

    public List<ShownRule> Rules { get; init; } = [];

    /// <summary>Zero where all of it is alerts, which are evaluated when something changes.</summary>
    public TimeSpan Interval { get; set; }

    public int Limit { get; set; }

    public DateTimeOffset? LastEvaluation { get; private set; }

    public TimeSpan EvaluationTime { get; private set; }

    /// <summary>Names the group in a request for what comes after it.</summary>
    public string Token => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{file};{name}")));

    public void Evaluated(DateTimeOffset at, TimeSpan took)
    {
        if (LastEvaluation is null || at > LastEvaluation) LastEvaluation = at;
        EvaluationTime += took;
    }

    public ShownGroup With(IEnumerable<ShownRule> rules) => new(file, name)
    {
        Rules = [.. rules],
        Interval = Interval,
        Limit = Limit,
        LastEvaluation = LastEvaluation,
        EvaluationTime = EvaluationTime,
    };
}

/// <summary>Which rules a request wants.</summary>
internal sealed class RuleFilter
{
    private HashSet<string> names = [];
    private HashSet<string> groups = [];
    private HashSet<string> files = [];
    private IReadOnlyList<PrometheusSelector> selectors = [];
    private int page;
    private string token = "";

    public bool Alerts { get; private init; }

    public bool Recordings { get; private init; }

    public bool ExcludeAlerts { get; private init; }

    public static RuleFilter Read(PrometheusParameters parameters)
    {
        var selectors = PrometheusSelector.Read(parameters);
        var type = parameters.Text("type").ToLowerInvariant();
        if (type is not ("" or "alert" or "record")) throw PrometheusException.BadParameter("type", $"not supported value {GoText.Quote(type)}");
        return new RuleFilter
        {
            Alerts = type != "record",
            Recordings = type != "alert",
            ExcludeAlerts = Flag(parameters.Text("exclude_alerts").ToLowerInvariant()),
            names = Set(parameters, "rule_name[]"),
            groups = Set(parameters, "rule_group[]"),
            files = Set(parameters, "file[]"),
            selectors = selectors,
            page = Page(parameters),
            token = parameters.Text("group_next_token"),
        };
    }

    /// <summary>What is wanted, and the token of the group that comes after; null where none does.</summary>
    public (IReadOnlyList<ShownGroup> Page, string? Next) Select(IEnumerable<ShownGroup> all)
    {
        var shown = new List<ShownGroup>();
        var found = token.Length == 0;
        foreach (var group in all)
        {
            if (!found && group.Token != token) continue;
            found = true;
            if ((groups.Count > 0 && !groups.Contains(group.Name)) || (files.Count > 0 && !files.Contains(group.File))) continue;
            var rules = group.Rules.Where(IsWanted).ToArray();
            if (rules.Length == 0) continue;
            if (page > 0 && shown.Count == page) return (shown, group.Token);
            shown.Add(group.With(rules));
        }
        if (!found) throw PrometheusException.BadParameter("group_next_token", $"invalid group_next_token '{token}'. were rule groups changed?");
        return (shown, null);
    }

    private bool IsWanted(ShownRule rule) =>
        (names.Count == 0 || names.Contains(rule.Name)) && (selectors.Count == 0 || selectors.Any(s => LabelMatcher.AllMatch(s.Matchers, rule.Labels)));

    private static HashSet<string> Set(PrometheusParameters parameters, string name) => parameters.All(name).Select(v => v ?? "").ToHashSet(StringComparer.Ordinal);

    // strconv.ParseBool, in lower case.
    private static bool Flag(string text) => text switch
    {
        "" or "0" or "f" or "false" => false,
        "1" or "t" or "true" => true,
        _ => throw PrometheusException.BadParameter("exclude_alerts", $"error converting exclude_alerts: strconv.ParseBool: parsing {GoText.Quote(text)}: invalid syntax"),
    };

    private static int Page(PrometheusParameters parameters)
    {
        var text = parameters.Text("group_limit");
        if (text.Length == 0)
        {
            return parameters.Text("group_next_token").Length == 0
                ? 0
                : throw PrometheusException.BadParameter("group_next_token", "group_limit needs to be present in order to paginate over the groups");
        }
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var limit))
            throw PrometheusException.BadParameter("group_limit", $"group_limit needs to be a valid number: strconv.ParseInt: parsing {GoText.Quote(text)}: invalid syntax");
        return limit > 0 ? limit : throw PrometheusException.BadParameter("group_limit", "group_limit needs to be greater than 0");
    }
}
