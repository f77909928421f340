namespace Vigil.Alerting.Grains;

/// <summary>One element of an expression's result: label names and values in turn, and the value.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.sample")]
internal sealed record SampleMessage([property: Id(0)] string[] Labels, [property: Id(1)] double Value);

/// <summary>What the watch on an expression reported.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.evaluation")]
internal sealed record EvaluationMessage(
    [property: Id(0)] DateTimeOffset At,
    [property: Id(1)] SampleMessage[] Samples,
    [property: Id(2)] int InputSeries,
    [property: Id(3)] string? Error,
    [property: Id(4)] long CauseReceivedUnixUs);

/// <summary>An alert, for reading.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.alert")]
internal sealed record AlertMessage(
    [property: Id(0)] string Fingerprint,
    [property: Id(1)] int Status,
    [property: Id(2)] Dictionary<string, string> Labels,
    [property: Id(3)] Dictionary<string, string> Annotations,
    [property: Id(4)] double Value,
    [property: Id(5)] DateTimeOffset ActiveAt,
    [property: Id(6)] DateTimeOffset? FiredAt,
    [property: Id(7)] DateTimeOffset? ResolvedAt,
    [property: Id(8)] DateTimeOffset SeenAt);

/// <summary>Where a policy stands.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.policy-snapshot")]
internal sealed record PolicySnapshot(
    [property: Id(0)] string DefinitionJson,
    [property: Id(1)] int Sight,
    [property: Id(2)] string SightReason,
    [property: Id(3)] DateTimeOffset EvaluatedAt,
    [property: Id(4)] AlertMessage[] Alerts);

/// <summary>The policies in force.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.catalog-snapshot")]
internal sealed record CatalogSnapshot(
    [property: Id(0)] string[] DefinitionsJson,
    [property: Id(1)] string[] Retired,
    [property: Id(2)] DateTimeOffset AppliedAt);

/// <summary>A change that those who watch hear of: of an alert's status, of a policy's sight, or a delivery.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.change")]
internal sealed record FeedMessage(
    [property: Id(0)] string Policy,
    [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] string Reason,
    [property: Id(3)] long CauseReceivedUnixUs,
    [property: Id(4)] int From,
    [property: Id(5)] int To,
    [property: Id(6)] AlertMessage? Alert,
    [property: Id(7)] string DefinitionJson,
    [property: Id(8)] DeliveryMessage? Delivery);

/// <summary>A page that left, or was given up.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.delivery")]
internal sealed record DeliveryMessage(
    [property: Id(0)] string Channel,
    [property: Id(1)] string IdempotencyKey,
    [property: Id(2)] string Status,
    [property: Id(3)] string Alertname,
    [property: Id(4)] bool Delivered,
    [property: Id(5)] int Attempts,
    [property: Id(6)] string Fingerprint);

/// <summary>Changes, the first of them numbered <paramref name="First"/>, the others counting up from it.</summary>
[GenerateSerializer, Immutable, Alias("vigil.alerting.feed-page")]
internal sealed record FeedPage([property: Id(0)] string Feed, [property: Id(1)] long First, [property: Id(2)] FeedMessage[] Changes);
