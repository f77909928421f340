using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Grains;

/// <summary>Between the domain and what grains say to each other.</summary>
internal static class GrainMapping
{
    public static Evaluation ToDomain(this EvaluationMessage message) => new(message.At,
        message.Samples.Length == 0 ? [] : [.. message.Samples.Select(s => new EvaluationSample(LabelArrays.To(s.Labels), s.Value))],
        message.InputSeries, message.Error, message.CauseReceivedUnixUs);

    public static AlertMessage ToMessage(this Alert alert, PolicyDefinition policy, string externalUrl) => new(alert.Labels.Fingerprint, (int)alert.Status,
        alert.Labels.ToDictionary(), new Dictionary<string, string>(Page.AnnotationsOf(policy, alert, externalUrl)), alert.Value, alert.ActiveAt, alert.FiredAt, alert.ResolvedAt, alert.SeenAt);

    /// <summary>How often Metrics confirms this policy's value: never more slowly than the service's own heartbeat.</summary>
    public static TimeSpan HeartbeatOf(this PoliciesOptions options, PolicyDefinition policy) =>
        policy.Interval is { } interval && interval < options.Heartbeat ? TimeSpan.FromTicks(Math.Max(interval.Ticks, TimeSpan.TicksPerSecond / 10)) : options.Heartbeat;
}

/// <summary>Where people reach this service, for links.</summary>
internal sealed record ExternalAddress(string Url);
