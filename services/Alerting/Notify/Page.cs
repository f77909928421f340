using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Notify;

/// <summary>What a person is told: an alert fires, or is resolved.</summary>
internal sealed record Page
{
    /// <summary>
    /// The same for every attempt at telling the same thing, also after a crash: made of the policy, the alert, when it fired and
    /// which of the two it tells. Receivers drop a repeat by it.
    /// </summary>
    public required string IdempotencyKey { get; init; }

    public required string Policy { get; init; }

    public required string Alertname { get; init; }

    public required string Fingerprint { get; init; }

    /// <summary>False when it is resolved.</summary>
    public required bool Firing { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required IReadOnlyDictionary<string, string> Annotations { get; init; }

    /// <summary>As text, for it may be NaN or infinite, which JSON cannot say.</summary>
    public required string Value { get; init; }

    /// <summary>When it fired.</summary>
    public required DateTimeOffset StartsAt { get; init; }

    /// <summary>When it was resolved.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    /// <summary>When the policy decided it.</summary>
    public required DateTimeOffset DecidedAt { get; init; }

    /// <summary>Why.</summary>
    public required string Reason { get; init; }

    public required ResponsePlan Response { get; init; }

    /// <summary>When Metrics received the sample that caused it, in microseconds since 1970; 0 when time did.</summary>
    public long CauseReceivedUnixUs { get; init; }

    /// <summary>A link to what it is about.</summary>
    public string GeneratorUrl { get; init; } = "";

    /// <summary>True for a page that only tries out a channel.</summary>
    public bool IsTest { get; init; }

    public string Status => Firing ? "firing" : "resolved";

    public string ToJson() => JsonSerializer.Serialize(this);

    public static Page FromJson(string json) => JsonSerializer.Deserialize<Page>(json) ?? throw new JsonException("a stored page is null");

    /// <summary>The page of a transition; null when it is none that people are told of.</summary>
    public static Page? Of(PolicyDefinition policy, Transition transition, string externalUrl)
    {
        var alert = transition.Alert;
        if (alert is not { Status: AlertStatus.Firing or AlertStatus.Resolved, FiredAt: { } firedAt }) return null;
        var firing = alert.Status == AlertStatus.Firing;
        return new Page
        {
            IdempotencyKey = KeyOf(policy.Key, alert.Labels.Fingerprint, firedAt, firing),
            Policy = policy.Key,
            Alertname = policy.Alert,
            Fingerprint = alert.Labels.Fingerprint,
            Firing = firing,
            Labels = alert.Labels.ToDictionary(),
            Annotations = AnnotationsOf(policy, alert, externalUrl),
            Value = GoFormat.Value(alert.Value),
            StartsAt = firedAt,
            EndsAt = alert.ResolvedAt,
            DecidedAt = transition.At,
            Reason = transition.Reason,
            Response = policy.Response,
            CauseReceivedUnixUs = transition.CauseReceivedUnixUs,
            GeneratorUrl = $"{externalUrl}/api/v2/alerts?filter=alertname%3D%22{Uri.EscapeDataString(policy.Alert)}%22",
        };
    }

    /// <summary>The policy's annotations, with their templates expanded for this alert.</summary>
    public static IReadOnlyDictionary<string, string> AnnotationsOf(PolicyDefinition policy, Alert alert, string externalUrl)
    {
        var data = new TemplateData(alert.Source, alert.Value, externalUrl);
        return policy.Annotations.ToDictionary(a => a.Key, a => Template.Parse(a.Value).Expand(data));
    }

    private static string KeyOf(string policy, string fingerprint, DateTimeOffset firedAt, bool firing) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{policy}\n{fingerprint}\n{firedAt.UtcTicks}\n{(firing ? "firing" : "resolved")}")))[..32];
}
