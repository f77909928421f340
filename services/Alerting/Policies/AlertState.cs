namespace Vigil.Alerting.Policies;

/// <summary>Where an alert stands.</summary>
internal enum AlertStatus
{
    Inactive,
    Pending,
    Firing,
    Resolved,
}

/// <summary>What is known about a policy's input. Only <see cref="Clear"/> lets an alert fire or resolve.</summary>
internal enum Sight
{
    /// <summary>The newest evaluation had data to judge.</summary>
    Clear,

    /// <summary>The newest evaluation found no series.</summary>
    NoData,

    /// <summary>There is no newest evaluation: nothing was heard yet, the watch is broken or silent, or the expression failed.</summary>
    Unknown,
}

/// <summary>One alert: a label set for which a policy's expression holds, or held.</summary>
/// <param name="Labels">The result's labels without its metric name, the policy's labels, and alertname.</param>
/// <param name="Source">The result's own labels: what templates speak of.</param>
/// <param name="Status">Pending, firing or resolved; inactive ones are not kept.</param>
/// <param name="Value">The newest value.</param>
/// <param name="ActiveAt">Since when the expression holds.</param>
/// <param name="FiredAt">When it began to fire.</param>
/// <param name="ResolvedAt">When it ceased to.</param>
/// <param name="KeepFiringSince">Since when it fires only because of keep_firing_for.</param>
/// <param name="SeenAt">When an evaluation last yielded it.</param>
internal sealed record Alert(AlertLabels Labels, AlertLabels Source, AlertStatus Status, double Value, DateTimeOffset ActiveAt,
    DateTimeOffset? FiredAt = null, DateTimeOffset? ResolvedAt = null, DateTimeOffset? KeepFiringSince = null, DateTimeOffset SeenAt = default);

/// <summary>An alert changed its status, for a reason.</summary>
internal sealed record Transition(AlertStatus From, Alert Alert, DateTimeOffset At, string Reason, long CauseReceivedUnixUs);

/// <summary>What is known about the input changed, for a reason.</summary>
internal sealed record SightTransition(Sight From, Sight To, DateTimeOffset At, string Reason);

/// <summary>All alerts of one policy, and what is known about its input. Immutable.</summary>
/// <param name="Alerts">By labels; pending, firing and recently resolved ones.</param>
/// <param name="Sight">What is known about the input.</param>
/// <param name="SightReason">Why it is not clear; empty when it is.</param>
/// <param name="EvaluatedAt">The newest evaluation's own moment: an older one is not taken.</param>
/// <param name="HeardAt">When something was last heard from the watch.</param>
internal sealed record AlertBook(IReadOnlyDictionary<AlertLabels, Alert> Alerts, Sight Sight, string SightReason,
    DateTimeOffset EvaluatedAt, DateTimeOffset HeardAt)
{
    private static readonly Dictionary<AlertLabels, Alert> None = [];

    /// <summary>Before anything was heard.</summary>
    public static readonly AlertBook Empty = new(None, Sight.Unknown, "not evaluated yet", DateTimeOffset.MinValue, DateTimeOffset.MinValue);
}

/// <summary>The outcome of a step.</summary>
/// <param name="Book">The state after it; the same object when nothing changed.</param>
/// <param name="Transitions">Alerts that changed their status.</param>
/// <param name="Sight">The change of sight, if any.</param>
/// <param name="MustStore">True when the change must survive a restart: not values, moments of evaluation or the sight, which a restart loses anyway.</param>
internal sealed record Step(AlertBook Book, IReadOnlyList<Transition> Transitions, SightTransition? Sight, bool MustStore);
