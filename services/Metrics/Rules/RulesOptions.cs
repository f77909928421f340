using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rules;

/// <summary>Where recording rules are, from the configuration section <c>Rules</c>.</summary>
internal sealed class RulesOptions : IValidatedOptions
{
    /// <summary>The section's name.</summary>
    public const string Section = "Rules";

    /// <summary>
    /// The directory whose *.yaml and *.yml files hold them: may be that of Alerting's policies, whose alerts are passed over here as recording rules are there. Empty,
    /// which is the default: there are none.
    /// </summary>
    public string Directory { get; set; } = "";

    /// <summary>Folders below it whose files are read too. Others are not.</summary>
    public IList<string> Include { get; } = [];

    /// <summary>How often groups are evaluated that do not say, 1 s to 1 d. Default 1 min, as Prometheus.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How often the directory is looked at for changes, 0.1 s to 1 h. Default 2 s.</summary>
    public TimeSpan ReloadPoll { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Recording rules in all files together, 1 to 1,000,000. Default 10,000.</summary>
    public int MaxRules { get; set; } = 10_000;

    /// <inheritdoc/>
    public IEnumerable<OptionFault> Validate()
    {
        for (var i = 0; i < Include.Count; i++)
        {
            if (Include[i].Length == 0 || Path.IsPathRooted(Include[i]) || Include[i].Split('/', '\\').Contains(".."))
                yield return new($"{nameof(Include)}.{i}", Include[i], $"a folder below {Section}:{nameof(Directory)}");
        }
        if (Interval < TimeSpan.FromSeconds(1) || Interval > TimeSpan.FromDays(1)) yield return new(nameof(Interval), Interval, "00:00:01 to 1.00:00:00");
        if (ReloadPoll < TimeSpan.FromSeconds(0.1) || ReloadPoll > TimeSpan.FromHours(1)) yield return new(nameof(ReloadPoll), ReloadPoll, "00:00:00.1 to 01:00:00");
        if (MaxRules is < 1 or > 1_000_000) yield return new(nameof(MaxRules), MaxRules, "1 to 1000000");
    }
}
