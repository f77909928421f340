using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Vigil.Alerting;

/// <summary>What this service counts about itself.</summary>
internal sealed class AlertingMetrics
{
    /// <summary>Name of the meter and of the activity source.</summary>
    public const string Name = "Vigil.Alerting";

    public static readonly ActivitySource Activities = new(Name);

    private readonly Counter<long> evaluations;
    private readonly Counter<long> evaluationsDropped;
    private readonly Counter<long> transitions;
    private readonly Counter<long> sent;
    private readonly Counter<long> retried;
    private readonly Counter<long> givenUp;
    private readonly Counter<long> deferred;
    private readonly Counter<long> withoutChannel;
    private readonly Counter<long> dropped;
    private readonly Counter<long> reloads;
    private readonly Counter<long> watchFailures;
    private readonly Histogram<double> latency;

    public AlertingMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        evaluations = meter.CreateCounter<long>("vigil.alerting.evaluations", "{evaluation}", "Evaluations taken by policies, by outcome");
        evaluationsDropped = meter.CreateCounter<long>("vigil.alerting.evaluations.dropped", "{evaluation}", "Evaluations not taken because their policy was too far behind");
        transitions = meter.CreateCounter<long>("vigil.alerting.transitions", "{transition}", "Alerts that changed their status, by the new one");
        sent = meter.CreateCounter<long>("vigil.alerting.pages.sent", "{page}", "Pages delivered, by channel");
        retried = meter.CreateCounter<long>("vigil.alerting.pages.retried", "{attempt}", "Attempts that failed and will be repeated, by channel and reason");
        givenUp = meter.CreateCounter<long>("vigil.alerting.pages.given_up", "{page}", "Pages given up, by channel and reason");
        deferred = meter.CreateCounter<long>("vigil.alerting.pages.deferred", "{page}", "Pages for which a channel had no room, by channel");
        withoutChannel = meter.CreateCounter<long>("vigil.alerting.pages.without_channel", "{page}", "Pages that no channel takes");
        dropped = meter.CreateCounter<long>("vigil.alerting.pages.dropped", "{page}", "Pages that a policy kept no longer, because newer ones of the alert say more or it had too many");
        reloads = meter.CreateCounter<long>("vigil.alerting.policy_loads", "{load}", "Attempts to load the policies, by outcome");
        watchFailures = meter.CreateCounter<long>("vigil.alerting.watch.failures", "{failure}", "Times the stream from Metrics broke");
        latency = meter.CreateHistogram("vigil.alerting.page.latency", "s", "From the causing sample's receipt by Metrics to the page having left, by channel", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60] });
    }

    public void Evaluated(string outcome) => evaluations.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void EvaluationDropped() => evaluationsDropped.Add(1);

    public void Transition(string to) => transitions.Add(1, new KeyValuePair<string, object?>("to", to));

    public void PageSent(string channel, string status, TimeSpan after)
    {
        sent.Add(1, new("channel", channel), new("status", status));
        if (after > TimeSpan.Zero) latency.Record(after.TotalSeconds, new KeyValuePair<string, object?>("channel", channel));
    }

    public void PageRetried(string channel, string reason) => retried.Add(1, new("channel", channel), new("reason", reason));

    public void PageGivenUp(string channel, string reason) => givenUp.Add(1, new("channel", channel), new("reason", reason));

    public void PageDeferred(string channel) => deferred.Add(1, new KeyValuePair<string, object?>("channel", channel));

    public void PageWithoutChannel() => withoutChannel.Add(1);

    public void PageDropped() => dropped.Add(1);

    public void PoliciesLoaded(bool applied) => reloads.Add(1, new KeyValuePair<string, object?>("outcome", applied ? "applied" : "refused"));

    public void WatchFailed() => watchFailures.Add(1);
}
