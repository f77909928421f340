using System.Globalization;
using System.Text;
using System.Text.Json;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>A point of an export as a sample.</summary>
/// <param name="Series">Its series.</param>
/// <param name="TimeMs">Milliseconds since 1970.</param>
/// <param name="Value">Its value; 0 where it is a histogram.</param>
/// <param name="Delta">It is an increase.</param>
/// <param name="Histogram">The native histogram that it is, or null.</param>
internal readonly record struct OtlpSample(SeriesSpec Series, long TimeMs, double Value, bool Delta, FloatHistogram? Histogram = null);

/// <summary>
/// Turns an OTLP export into samples, by the specification "Prometheus and OpenMetrics Compatibility": histograms with explicit bounds become
/// classic ones, exponential ones native ones, summaries a series per quantile; resource attributes become <c>job</c>, <c>instance</c> and the series
/// <c>target_info</c>. Exemplars are left out.
/// Points that cannot be taken are counted with a sentence each kind.
/// </summary>
internal sealed class OtlpTranslator(SeriesRules rules, OtlpNames names, long nowMs)
{
    private const int MaxMessages = 10;
    private readonly Dictionary<RefusalCause, long> refused = [];
    private readonly List<string> messages = [];

    /// <summary>The samples.</summary>
    public List<OtlpSample> Samples { get; } = [];

    /// <summary>Points refused.</summary>
    public long Refused { get; private set; }

    /// <summary>Points refused, by cause.</summary>
    public IReadOnlyDictionary<RefusalCause, long> Causes => refused;

    /// <summary>Why, in words, for the first few kinds.</summary>
    public string Message => string.Join("; ", messages);

    /// <summary>Counts a refusal of <paramref name="points"/> points.</summary>
    public void Refuse(RefusalCause cause, string detail, long points)
    {
        if (points == 0) return;
        Refused += points;
        refused[cause] = refused.GetValueOrDefault(cause) + points;
        if (messages.Count < MaxMessages && !messages.Contains(detail)) messages.Add(detail);
    }

    /// <summary>Takes what one resource reports.</summary>
    public void Add(ResourceMetrics resource)
    {
        var identity = Identity(resource.Resource, out var info);
        var newest = 0L;
        foreach (var scope in resource.ScopeMetrics)
        {
            var labels = Scoped(identity, scope.Scope, scope.SchemaUrl);
            foreach (var metric in scope.Metrics) newest = Math.Max(newest, AddMetric(metric, labels));
        }
        if (newest == 0 || info.Count == identity.Count) return;
        // A point from the future must not take the resource's own sample with it.
        newest = Math.Min(newest, nowMs);
        AddSample("target_info", info, new SeriesTraits(SeriesKind.Gauge, "", "Attributes of the resource."), newest, 1, delta: false);
    }

    private long AddMetric(Metric metric, Dictionary<string, string> labels)
    {
        switch (metric.DataCase)
        {
            case Metric.DataOneofCase.Gauge:
                return AddNumbers(metric, metric.Gauge.DataPoints, names.Metric(metric.Name, metric.Unit, false, true), SeriesKind.Gauge, delta: false, labels);
            case Metric.DataOneofCase.Sum:
                if (Temporality(metric, metric.Sum.AggregationTemporality, metric.Sum.DataPoints.Count) is not { } sumDelta) return 0;
                return AddNumbers(metric, metric.Sum.DataPoints, names.Metric(metric.Name, metric.Unit, metric.Sum.IsMonotonic, false),
                    metric.Sum.IsMonotonic ? SeriesKind.Counter : SeriesKind.Gauge, sumDelta, labels);
            case Metric.DataOneofCase.Histogram:
                if (Temporality(metric, metric.Histogram.AggregationTemporality, metric.Histogram.DataPoints.Count) is not { } delta) return 0;
                return AddHistograms(metric, delta, labels);
            case Metric.DataOneofCase.ExponentialHistogram:
                if (Temporality(metric, metric.ExponentialHistogram.AggregationTemporality, metric.ExponentialHistogram.DataPoints.Count) is not { } exponentialDelta) return 0;
                return AddExponential(metric, exponentialDelta, labels);
            case Metric.DataOneofCase.Summary:
                return AddSummaries(metric, labels);
            default:
                Refuse(RefusalCause.Unsupported, $"{metric.Name}: this kind of data is not known", 1);
                return 0;
        }
    }

    private long AddNumbers(Metric metric, IEnumerable<NumberDataPoint> points, string name, SeriesKind kind, bool delta, Dictionary<string, string> labels)
    {
        var newest = 0L;
        var traits = new SeriesTraits(kind, metric.Unit, metric.Description);
        foreach (var point in points)
        {
            var time = Time(point.TimeUnixNano);
            newest = Math.Max(newest, time);
            var gone = (point.Flags & (uint)DataPointFlags.NoRecordedValueMask) != 0;
            // An increase of nothing is no point at all; a value that is no more is Prometheus' marker.
            if (gone && delta) continue;
            var value = gone ? PromQL.Samples.Stale : point.ValueCase == NumberDataPoint.ValueOneofCase.AsInt ? point.AsInt : point.AsDouble;
            AddSample(name, Attributed(labels, point.Attributes), traits, time, value, delta);
        }
        return newest;
    }

    private long AddHistograms(Metric metric, bool delta, Dictionary<string, string> labels)
    {
        var name = names.Metric(metric.Name, metric.Unit, false, false);
        var traits = new SeriesTraits(SeriesKind.Counter, metric.Unit, metric.Description);
        var newest = 0L;
        foreach (var point in metric.Histogram.DataPoints)
        {
            if (point.BucketCounts.Count != 0 && point.BucketCounts.Count != point.ExplicitBounds.Count + 1)
            {
                Refuse(RefusalCause.Unsupported, $"{metric.Name}: {point.BucketCounts.Count} bucket counts for {point.ExplicitBounds.Count} bounds", 1);
                continue;
            }
            var time = Time(point.TimeUnixNano);
            newest = Math.Max(newest, time);
            var gone = (point.Flags & (uint)DataPointFlags.NoRecordedValueMask) != 0;
            if (gone && delta) continue;
            var attributed = Attributed(labels, point.Attributes);
            double cumulative = 0;
            for (var i = 0; i < point.ExplicitBounds.Count && i < point.BucketCounts.Count; i++)
            {
                cumulative += point.BucketCounts[i];
                AddBucket(name, attributed, GoText.Float(point.ExplicitBounds[i]), traits, time, Or(cumulative), delta);
            }
            AddBucket(name, attributed, "+Inf", traits, time, Or(point.Count), delta);
            AddSample(name + "_count", attributed, traits, time, Or(point.Count), delta);
            if (point.HasSum) AddSample(name + "_sum", attributed, traits, time, Or(point.Sum), delta);

            double Or(double value) => gone ? PromQL.Samples.Stale : value;
        }
        return newest;
    }

    private long AddExponential(Metric metric, bool delta, Dictionary<string, string> labels)
    {
        var name = names.Metric(metric.Name, metric.Unit, false, false);
        var traits = new SeriesTraits(SeriesKind.Counter, metric.Unit, metric.Description);
        var newest = 0L;
        foreach (var point in metric.ExponentialHistogram.DataPoints)
        {
            var time = Time(point.TimeUnixNano);
            newest = Math.Max(newest, time);
            if (delta && (point.Flags & (uint)DataPointFlags.NoRecordedValueMask) != 0) continue;
            if (OtlpHistograms.From(point, out var fault) is { } histogram) AddSample(name, Attributed(labels, point.Attributes), traits, time, 0, delta, histogram);
            else Refuse(RefusalCause.BadHistogram, $"{metric.Name}: {fault}", 1);
        }
        return newest;
    }

    private long AddSummaries(Metric metric, Dictionary<string, string> labels)
    {
        var name = names.Metric(metric.Name, metric.Unit, false, false);
        var counter = new SeriesTraits(SeriesKind.Counter, metric.Unit, metric.Description);
        var gauge = counter with { Kind = SeriesKind.Gauge };
        var newest = 0L;
        foreach (var point in metric.Summary.DataPoints)
        {
            var time = Time(point.TimeUnixNano);
            newest = Math.Max(newest, time);
            var gone = (point.Flags & (uint)DataPointFlags.NoRecordedValueMask) != 0;
            var attributed = Attributed(labels, point.Attributes);
            foreach (var quantile in point.QuantileValues)
            {
                var labelled = new Dictionary<string, string>(attributed, StringComparer.Ordinal) { ["quantile"] = GoText.Float(quantile.Quantile) };
                AddSample(name, labelled, gauge, time, gone ? PromQL.Samples.Stale : quantile.Value, delta: false);
            }
            AddSample(name + "_sum", attributed, counter, time, gone ? PromQL.Samples.Stale : point.Sum, delta: false);
            AddSample(name + "_count", attributed, counter, time, gone ? PromQL.Samples.Stale : point.Count, delta: false);
        }
        return newest;
    }

    private void AddBucket(string name, Dictionary<string, string> labels, string bound, SeriesTraits traits, long time, double value, bool delta) =>
        AddSample(name + "_bucket", new Dictionary<string, string>(labels, StringComparer.Ordinal) { ["le"] = bound }, traits, time, value, delta);

    private void AddSample(string name, Dictionary<string, string> labels, SeriesTraits traits, long time, double value, bool delta, FloatHistogram? histogram = null)
    {
        var list = labels.Where(l => l.Value.Length > 0).Select(l => new Label(l.Key, l.Value)).ToList();
        if (rules.Check(name, list) is { } fault)
        {
            Refuse(fault.Cause, fault.Detail, 1);
            return;
        }
        list.Add(new Label(LabelSet.NameLabel, name));
        Samples.Add(new OtlpSample(new SeriesSpec { Labels = LabelSet.Create(list), Kind = traits.Kind, Unit = traits.Unit, Help = traits.Help }, time, value, delta, histogram));
    }

    private bool? Temporality(Metric metric, AggregationTemporality temporality, int points)
    {
        if (temporality != AggregationTemporality.Unspecified) return temporality == AggregationTemporality.Delta;
        Refuse(RefusalCause.Unsupported, $"{metric.Name}: aggregation_temporality is neither delta nor cumulative", points);
        return null;
    }

    // A point without a time is from now.
    private long Time(ulong unixNano) => unixNano == 0 ? nowMs : (long)(unixNano / 1_000_000);

    /// <summary>job and instance; and, for target_info, the other attributes too.</summary>
    private Dictionary<string, string> Identity(Resource? resource, out Dictionary<string, string> info)
    {
        var identity = new Dictionary<string, string>(StringComparer.Ordinal);
        var others = new Dictionary<string, string>(StringComparer.Ordinal);
        string name = "", space = "";
        foreach (var attribute in resource?.Attributes ?? [])
        {
            var value = Text(attribute.Value);
            switch (attribute.Key)
            {
                case "service.name":
                    name = value;
                    break;
                case "service.namespace":
                    space = value;
                    break;
                case "service.instance.id":
                    identity["instance"] = value;
                    break;
                default:
                    Put(others, names.Label(attribute.Key), value);
                    break;
            }
        }
        if (name.Length > 0) identity[GrainKeys.JobLabel] = space.Length > 0 ? $"{space}/{name}" : name;
        info = new Dictionary<string, string>(identity, StringComparer.Ordinal);
        foreach (var (key, value) in others) info.TryAdd(key, value);
        return identity;
    }

    private Dictionary<string, string> Scoped(Dictionary<string, string> identity, InstrumentationScope? scope, string schema)
    {
        var labels = new Dictionary<string, string>(identity, StringComparer.Ordinal);
        if (schema.Length > 0) labels["otel_scope_schema_url"] = schema;
        if (scope is null) return labels;
        if (scope.Name.Length > 0) labels["otel_scope_name"] = scope.Name;
        if (scope.Version.Length > 0) labels["otel_scope_version"] = scope.Version;
        foreach (var attribute in scope.Attributes) Put(labels, "otel_scope_" + names.Label(attribute.Key), Text(attribute.Value));
        return labels;
    }

    private Dictionary<string, string> Attributed(Dictionary<string, string> labels, IEnumerable<KeyValue> attributes)
    {
        var all = new Dictionary<string, string>(labels, StringComparer.Ordinal);
        foreach (var attribute in attributes)
        {
            var name = names.Label(attribute.Key);
            // job and instance say whose series it is: no attribute of a point may take it to another service.
            if (name is GrainKeys.JobLabel or "instance" && labels.ContainsKey(name)) name = "exported_" + name;
            Put(all, name, Text(attribute.Value));
        }
        return all;
    }

    // Two attributes that come to the same name are joined, as the specification has it.
    private static void Put(Dictionary<string, string> labels, string name, string value) =>
        labels[name] = labels.TryGetValue(name, out var present) && present != value ? $"{present};{value}" : value;

    private static string Text(AnyValue? value) => value?.ValueCase switch
    {
        AnyValue.ValueOneofCase.StringValue => value.StringValue,
        AnyValue.ValueOneofCase.BoolValue => value.BoolValue ? "true" : "false",
        AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString("R", CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.BytesValue => value.BytesValue.ToBase64(),
        AnyValue.ValueOneofCase.ArrayValue or AnyValue.ValueOneofCase.KvlistValue => Json(value),
        _ => "",
    };

    private static string Json(AnyValue value)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer)) Write(json, value, 0);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void Write(Utf8JsonWriter json, AnyValue? value, int depth)
    {
        // Protobuf's own bound on nesting is 100; so much makes no label.
        if (depth > 16)
        {
            json.WriteStringValue("...");
            return;
        }
        switch (value?.ValueCase)
        {
            case AnyValue.ValueOneofCase.ArrayValue:
                json.WriteStartArray();
                foreach (var item in value.ArrayValue.Values) Write(json, item, depth + 1);
                json.WriteEndArray();
                break;
            case AnyValue.ValueOneofCase.KvlistValue:
                json.WriteStartObject();
                foreach (var item in value.KvlistValue.Values)
                {
                    json.WritePropertyName(item.Key);
                    Write(json, item.Value, depth + 1);
                }
                json.WriteEndObject();
                break;
            case AnyValue.ValueOneofCase.IntValue:
                json.WriteNumberValue(value.IntValue);
                break;
            case AnyValue.ValueOneofCase.DoubleValue when double.IsFinite(value.DoubleValue):
                json.WriteNumberValue(value.DoubleValue);
                break;
            case AnyValue.ValueOneofCase.BoolValue:
                json.WriteBooleanValue(value.BoolValue);
                break;
            default:
                json.WriteStringValue(Text(value));
                break;
        }
    }

    private readonly record struct SeriesTraits(SeriesKind Kind, string Unit, string Help);
}
