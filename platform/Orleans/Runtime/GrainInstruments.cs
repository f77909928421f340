using System.Diagnostics.Metrics;

namespace Orleans.Runtime;

/// <summary>What the silo measures, under the official meter's name.</summary>
internal sealed class GrainInstruments
{
    public const string MeterName = "Microsoft.Orleans";
    private readonly Histogram<double> latency;
    private readonly Counter<long> timedOut;
    private readonly Counter<long> canceled;
    private readonly Counter<long> rejected;
    private readonly Counter<long> activated;
    private readonly Counter<long> deactivated;
    private readonly Counter<long> failed;
    private readonly Counter<long> reminderTicks;
    private readonly Histogram<double> reminderTardiness;

    public GrainInstruments(IMeterFactory meters, Func<int> activations)
    {
        var meter = meters.Create(MeterName);
        latency = meter.CreateHistogram<double>("orleans-app-requests-latency", "ms", "Time from sending a grain call to its outcome");
        timedOut = meter.CreateCounter<long>("orleans-app-requests-timedout", description: "Grain calls that got no answer in time");
        canceled = meter.CreateCounter<long>("orleans-app-requests-canceled", description: "Grain calls given up by their callers");
        rejected = meter.CreateCounter<long>("orleans-messaging-rejected", description: "Grain calls refused because the grain had too many");
        activated = meter.CreateCounter<long>("orleans-catalog-activation-created", description: "Activations made");
        deactivated = meter.CreateCounter<long>("orleans-catalog-activation-destroyed", description: "Activations that went");
        failed = meter.CreateCounter<long>("orleans-catalog-activation-failed-to-activate", description: "Activations that failed to come");
        reminderTicks = meter.CreateCounter<long>("orleans-reminders-ticks-delivered", description: "Reminders delivered");
        reminderTardiness = meter.CreateHistogram<double>("orleans-reminders-tardiness", "s", "How late reminders were delivered");
        meter.CreateObservableGauge("orleans-catalog-activations", activations, description: "Activations in memory");
    }

    /// <summary>Whether anyone wants to know how long calls take: reading the clock twice for each is not free.</summary>
    public bool MeasuresLatency => latency.Enabled;

    public void Ended(TimeSpan elapsed) => latency.Record(elapsed.TotalMilliseconds);

    public void TimedOut(GrainType type) => timedOut.Add(1, new KeyValuePair<string, object?>("grain_type", type.ToString()));

    public void Canceled(GrainType type) => canceled.Add(1, new KeyValuePair<string, object?>("grain_type", type.ToString()));

    public void Refused(GrainType type) => rejected.Add(1, new KeyValuePair<string, object?>("grain_type", type.ToString()));

    public void Activated() => activated.Add(1);

    public void Deactivated() => deactivated.Add(1);

    public void ActivationFailed() => failed.Add(1);

    public void ReminderDelivered(TimeSpan late)
    {
        reminderTicks.Add(1);
        reminderTardiness.Record(late.TotalSeconds);
    }
}
