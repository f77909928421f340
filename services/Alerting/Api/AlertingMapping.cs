using Google.Protobuf.Collections;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults.Yaml;
using Domain = Vigil.Alerting.Policies;

namespace Vigil.Alerting.Api;

/// <summary>Between the contract's messages and the domain.</summary>
internal static class AlertingMapping
{
    public static V1.Alert ToProto(this AlertMessage alert, PolicyDefinition policy, Domain.Sight sight)
    {
        var proto = new V1.Alert
        {
            Fingerprint = alert.Fingerprint,
            Policy = policy.Key,
            Status = ((Domain.AlertStatus)alert.Status).ToProto(),
            Value = alert.Value,
            ActiveAtUnixMs = alert.ActiveAt.ToUnixTimeMilliseconds(),
            FiredAtUnixMs = alert.FiredAt?.ToUnixTimeMilliseconds() ?? 0,
            ResolvedAtUnixMs = alert.ResolvedAt?.ToUnixTimeMilliseconds() ?? 0,
            UpdatedAtUnixMs = alert.SeenAt.ToUnixTimeMilliseconds(),
            Sight = sight.ToProto(),
            Response = policy.Response.ToProto(),
        };
        proto.Labels.AddAll(alert.Labels);
        proto.Annotations.AddAll(alert.Annotations);
        return proto;
    }

    public static V1.AlertStatus ToProto(this Domain.AlertStatus status) => status switch
    {
        Domain.AlertStatus.Inactive => V1.AlertStatus.Inactive,
        Domain.AlertStatus.Pending => V1.AlertStatus.Pending,
        Domain.AlertStatus.Firing => V1.AlertStatus.Firing,
        Domain.AlertStatus.Resolved => V1.AlertStatus.Resolved,
        _ => throw new ArgumentOutOfRangeException(nameof(status), status, "no such status"),
    };

    public static V1.Sight ToProto(this Domain.Sight sight) => sight switch
    {
        Domain.Sight.Clear => V1.Sight.Clear,
        Domain.Sight.NoData => V1.Sight.NoData,
        Domain.Sight.Unknown => V1.Sight.Unknown,
        _ => throw new ArgumentOutOfRangeException(nameof(sight), sight, "no such sight"),
    };

    public static V1.Response ToProto(this ResponsePlan plan)
    {
        var proto = new V1.Response
        {
            Severity = plan.Severity,
            Level = (uint)plan.Level,
            RespondWithinS = (long)(plan.RespondWithin?.TotalSeconds ?? 0),
            Action = plan.Action,
            Playbook = plan.Playbook,
            Row = plan.Row,
        };
        proto.Escalate.Add(plan.Escalate);
        proto.Communicate.Add(plan.Communicate);
        return proto;
    }

    public static V1.Diagnostic ToProto(this Diagnostic finding) => new()
    {
        Level = finding.Level == DiagnosticLevel.Error ? V1.Diagnostic.Types.Level.Error : V1.Diagnostic.Types.Level.Warning,
        File = finding.File,
        Line = (uint)finding.Line,
        Column = (uint)finding.Column,
        Key = finding.Key,
        Reason = finding.Reason,
    };

    public static V1.Policy ToProto(this PolicyDefinition policy, PolicySnapshot? snapshot)
    {
        var proto = new V1.Policy
        {
            Key = policy.Key,
            File = policy.File,
            Group = policy.Group,
            Alert = policy.Alert,
            Line = (uint)policy.Line,
            Expr = policy.Expr,
            ForMs = (long)policy.For.TotalMilliseconds,
            KeepFiringForMs = (long)policy.KeepFiringFor.TotalMilliseconds,
            Response = policy.Response.ToProto(),
            NoData = policy.NoData.ToString().ToLowerInvariant(),
            Version = policy.Version,
            Sight = ((Domain.Sight)(snapshot?.Sight ?? (int)Domain.Sight.Unknown)).ToProto(),
            SightReason = snapshot?.SightReason ?? "not in force yet",
            LastEvaluationUnixMs = Math.Max(0, snapshot?.EvaluatedAt.ToUnixTimeMilliseconds() ?? 0),
            Pending = (uint)(snapshot?.Alerts.Count(a => a.Status == (int)Domain.AlertStatus.Pending) ?? 0),
            Firing = (uint)(snapshot?.Alerts.Count(a => a.Status == (int)Domain.AlertStatus.Firing) ?? 0),
        };
        proto.Status = proto.Firing > 0 ? V1.AlertStatus.Firing : proto.Pending > 0 ? V1.AlertStatus.Pending : V1.AlertStatus.Inactive;
        proto.Labels.AddAll(policy.Labels);
        proto.Annotations.AddAll(policy.Annotations);
        proto.UnlessDown.Add(policy.UnlessDown);
        return proto;
    }

    public static V1.AlertTransition ToProto(this FeedMessage change, string feed, long sequence)
    {
        var proto = new V1.AlertTransition
        {
            Feed = feed,
            Sequence = (ulong)sequence,
            Policy = change.Policy,
            AtUnixUs = (change.At - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            Reason = change.Reason,
            CauseReceivedUnixUs = change.CauseReceivedUnixUs,
        };
        if (change.Delivery is { } delivery)
        {
            proto.Delivery = new V1.DeliveryChange
            {
                Channel = delivery.Channel,
                IdempotencyKey = delivery.IdempotencyKey,
                Status = delivery.Status,
                Alertname = delivery.Alertname,
                Delivered = delivery.Delivered,
                Attempts = (uint)delivery.Attempts,
                Fingerprint = delivery.Fingerprint,
            };
        }
        else if (change.Alert is { } alert)
        {
            proto.Alert = new V1.AlertChange
            {
                From = ((Domain.AlertStatus)change.From).ToProto(),
                To = ((Domain.AlertStatus)change.To).ToProto(),
                Alert = alert.ToProto(PolicyDefinition.FromJson(change.DefinitionJson), Domain.Sight.Clear),
            };
        }
        else
        {
            proto.Sight = new V1.SightChange { From = ((Domain.Sight)change.From).ToProto(), To = ((Domain.Sight)change.To).ToProto() };
        }
        return proto;
    }

    public static V1.Delivery ToProto(this Notify.Delivery delivery) => new()
    {
        IdempotencyKey = delivery.Page.IdempotencyKey,
        Channel = delivery.Channel,
        Policy = delivery.Page.Policy,
        Alertname = delivery.Page.Alertname,
        Fingerprint = delivery.Page.Fingerprint,
        Status = delivery.Page.Status,
        AtUnixMs = delivery.At.ToUnixTimeMilliseconds(),
        Attempts = (uint)delivery.Attempts,
        Delivered = delivery.Delivered,
        Detail = delivery.Detail,
        LatencyS = delivery.Latency.TotalSeconds,
    };

    private static void AddAll(this MapField<string, string> map, IEnumerable<KeyValuePair<string, string>> pairs)
    {
        foreach (var (key, value) in pairs) map[key] = value;
    }
}
