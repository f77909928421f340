using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Keeps the present value of every instrument of this process, for /metrics and for our own Metrics service. Meters made by
/// another host's factory in the same process (tests run several) are not taken.
/// </summary>
internal sealed partial class MetricCollector : IDisposable
{
    private static readonly double[] SecondBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
    private static readonly double[] OtherBounds = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000];

    private readonly ConcurrentDictionary<string, MetricFamily> families = new(StringComparer.Ordinal);
    private readonly Lock collecting = new();
    private readonly MeterListener listener = new();
    private readonly IMeterFactory factory;
    private readonly ILogger<MetricCollector> log;
    private readonly int limit;
    private readonly MetricFamily overflow;
    private readonly MetricSeries callbackErrors;
    private readonly MetricSeries conflicts;
    private long generation;

    public MetricCollector(IMeterFactory factory, IOptions<TelemetryOptions> options, ILogger<MetricCollector> log)
    {
        this.factory = factory;
        this.log = log;
        limit = options.Value.MaxSeriesPerMetric;
        overflow = Own("vigil_metrics_series_overflow_total", "Measurements counted in an overflow series, by the metric that has too many label sets.");
        callbackErrors = Own("vigil_metrics_callback_errors_total", "Failed callbacks of observable instruments.").Get([]);
        conflicts = Own("vigil_metrics_name_conflicts_total", "Instruments left out, because another of this name is of another kind.").Get([]);
        listener.InstrumentPublished = Publish;
        listener.SetMeasurementEventCallback<byte>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<short>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<int>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<long>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<float>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<double>(static (_, value, tags, sink) => Record(value, tags, sink));
        listener.SetMeasurementEventCallback<decimal>(static (_, value, tags, sink) => Record((double)value, tags, sink));
        listener.Start();
    }

    /// <summary>Runs the callbacks of observable instruments and hands out everything, ordered by name, while no other collection runs.</summary>
    public T Collect<T>(Func<IEnumerable<MetricFamily>, long, T> read)
    {
        lock (collecting)
        {
            generation++;
            try
            {
                listener.RecordObservableInstruments();
            }
            catch (AggregateException e)
            {
                callbackErrors.Add(e.InnerExceptions.Count);
                if (callbackErrors.Value == e.InnerExceptions.Count) LogCallbackFailed(e);
            }
            return read(families.Values.OrderBy(f => f.Name, StringComparer.Ordinal), generation);
        }
    }

    public void Dispose() => listener.Dispose();

    private MetricFamily Own(string name, string help) =>
        families[name] = new MetricFamily(name, help, FamilyKind.Counter, observed: false, [], limit, static () => { });

    private void Publish(Instrument instrument, MeterListener from)
    {
        if (instrument.Meter.Scope is IMeterFactory other && !ReferenceEquals(other, factory)) return;
        if (SinkFor(instrument) is not var (kind, mode)) return;
        var name = PrometheusNames.Of(instrument.Name, instrument.Unit, kind);
        var family = families.GetOrAdd(name, static (n, made) => new MetricFamily(n, made.Help, made.Kind, made.Observed, made.Bounds, made.Limit, made.Overflowed),
            (Help: instrument.Description ?? "", Kind: kind, Observed: instrument.IsObservable, Bounds: kind == FamilyKind.Histogram ? BoundsOf(instrument) : [], Limit: limit, Overflowed: (Action)(() => overflow.Get([new("metric", name)]).Add(1))));
        if (family.Kind != kind || family.Observed != instrument.IsObservable)
        {
            conflicts.Add(1);
            LogConflict(instrument.Name, instrument.Meter.Name, name);
            return;
        }
        from.EnableMeasurementEvents(instrument, new Sink(this, family, mode));
    }

    private static void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        var sink = (Sink)state!;
        var series = sink.Family.Get(tags);
        switch (sink.Mode)
        {
            case SinkMode.Add:
                series.Add(value);
                break;
            case SinkMode.Set:
                series.Set(value);
                break;
            case SinkMode.Histogram:
                if (!double.IsNaN(value)) series.Record(value, sink.Family.Bounds);
                break;
        }
        // Observable instruments report only inside Collect, which holds the lock.
        if (sink.Family.Observed) series.Generation = sink.Owner.generation;
    }

    private static (FamilyKind Kind, SinkMode Mode)? SinkFor(Instrument instrument)
    {
        var type = instrument.GetType();
        while (type is { IsGenericType: false }) type = type.BaseType;
        var definition = type?.GetGenericTypeDefinition();
        return definition == typeof(Counter<>) ? (FamilyKind.Counter, SinkMode.Add)
            : definition == typeof(ObservableCounter<>) ? (FamilyKind.Counter, SinkMode.Set)
            : definition == typeof(UpDownCounter<>) ? (FamilyKind.Gauge, SinkMode.Add)
            : definition == typeof(ObservableUpDownCounter<>) || definition == typeof(Gauge<>) || definition == typeof(ObservableGauge<>) ? (FamilyKind.Gauge, SinkMode.Set)
            : definition == typeof(Histogram<>) ? (FamilyKind.Histogram, SinkMode.Histogram)
            : null;
    }

    private static double[] BoundsOf(Instrument instrument)
    {
        var advised = instrument switch
        {
            Histogram<double> { Advice.HistogramBucketBoundaries: { } b } => b.ToArray(),
            Histogram<float> { Advice.HistogramBucketBoundaries: { } b } => [.. b.Select(v => (double)v)],
            Histogram<long> { Advice.HistogramBucketBoundaries: { } b } => [.. b.Select(v => (double)v)],
            Histogram<int> { Advice.HistogramBucketBoundaries: { } b } => [.. b.Select(v => (double)v)],
            _ => [],
        };
        return advised.Length > 0 ? advised : instrument.Unit == "s" ? SecondBounds : OtherBounds;
    }

    private enum SinkMode
    {
        Add,
        Set,
        Histogram,
    }

    private sealed record Sink(MetricCollector Owner, MetricFamily Family, SinkMode Mode);

    [LoggerMessage(1, LogLevel.Warning, "A metric's callback failed; further failures are only counted", EventName = "MetricCallbackFailed")]
    private partial void LogCallbackFailed(Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Instrument {Instrument} of meter {Meter} is left out: {Name} is taken by one of another kind", EventName = "MetricNameConflict")]
    private partial void LogConflict(string instrument, string meter, string name);
}
