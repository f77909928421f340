using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vigil.Alerting.Policies;

/// <summary>What it means when a policy's expression finds no series at all.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NoDataPolicy>))]
internal enum NoDataPolicy
{
    /// <summary>Nothing is decided: firing alerts stay firing, pending ones keep their clock but cannot fire. The default.</summary>
    Keep,

    /// <summary>Missing data is itself a breach: an alert with the label no_data="true" goes through the policy's own clocks.</summary>
    Alert,

    /// <summary>As in Prometheus: an empty result is an empty result, and alerts resolve. For expressions such as absent(...).</summary>
    Ok,
}

/// <summary>What a policy says about people, as written in its file.</summary>
/// <param name="Severity">The organisation's own word: P1, Critical, ...; empty when the policy names none.</param>
/// <param name="Level">1, 2 or 3 on the common scale; 0 when the severity is on no known scale.</param>
/// <param name="RespondWithin">The time within which somebody must respond; null when not stated.</param>
/// <param name="Escalate">Who is told, in the seed's words.</param>
/// <param name="Communicate">Who else hears of it.</param>
/// <param name="Action">What to do.</param>
/// <param name="Playbook">Name or address of the playbook.</param>
/// <param name="Row">The requirement it implements, e.g. A19.</param>
internal sealed record ResponsePlan(string Severity, int Level, TimeSpan? RespondWithin, IReadOnlyList<string> Escalate,
    IReadOnlyList<string> Communicate, string Action, string Playbook, string Row)
{
    public static readonly ResponsePlan None = new("", 0, null, [], [], "", "", "");
}

/// <summary>One policy, as read from a file.</summary>
internal sealed record PolicyDefinition
{
    /// <summary>file:group/alert, with #n from the second of that name in the group on. Names the policy for ever.</summary>
    public required string Key { get; init; }

    public required string File { get; init; }

    public required string Group { get; init; }

    public required string Alert { get; init; }

    /// <summary>The line its rule begins at, from 1.</summary>
    public int Line { get; init; }

    /// <summary>PromQL; each element of its result is an alert.</summary>
    public required string Expr { get; init; }

    /// <summary>How long the expression must hold before it fires.</summary>
    public TimeSpan For { get; init; }

    /// <summary>How long an alert goes on firing after the expression ceased to hold.</summary>
    public TimeSpan KeepFiringFor { get; init; }

    /// <summary>The group's evaluation interval; null when not stated.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>The most alerts it may have at once; 0 for the service's own limit.</summary>
    public int Limit { get; init; }

    /// <summary>Labels put on each alert; values may be templates.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new SortedDictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Texts for people; values may be templates.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new SortedDictionary<string, string>(StringComparer.Ordinal);

    public NoDataPolicy NoData { get; init; }

    public ResponsePlan Response { get; init; } = ResponsePlan.None;

    /// <summary>What it depends on.</summary>
    public IReadOnlyList<string> UnlessDown { get; init; } = [];

    /// <summary>
    /// Changes with whatever an alert's identity and clocks depend on; a policy whose version changed starts its state again.
    /// Annotations and what is said about people may be edited without losing a running clock.
    /// </summary>
    [JsonIgnore]
    public string Version
    {
        get
        {
            var text = new StringBuilder();
            text.Append(Expr).Append('\0').Append(For.Ticks).Append('\0').Append(KeepFiringFor.Ticks).Append('\0').Append(NoData).Append('\0').Append(Limit);
            foreach (var (name, value) in Labels.OrderBy(l => l.Key, StringComparer.Ordinal)) text.Append('\0').Append(name).Append('\0').Append(value);
            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16];
        }
    }

    /// <summary>The form in which definitions are stored and passed between grains: fields may be added without breaking old rows.</summary>
    public string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static PolicyDefinition FromJson(string json) =>
        JsonSerializer.Deserialize<PolicyDefinition>(json) ?? throw new JsonException("a stored policy definition is null");
}
