using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;

namespace Vigil.ServiceDefaults;

/// <summary>
/// The collector's content as OTLP, under the very names of /metrics. Histograms go as their cumulative counters
/// (<c>_bucket</c>, <c>_sum</c>, <c>_count</c>), which is what a Prometheus-like store makes of them anyway.
/// </summary>
internal static class SelfMetrics
{
    public static ExportMetricsServiceRequest Request(MetricCollector collector, ServiceIdentity identity, DateTimeOffset startedAt, DateTimeOffset now)
    {
        var scope = new ScopeMetrics { Scope = new InstrumentationScope { Name = ServiceDefaultsExtensions.MeterName, Version = identity.Version } };
        var times = new Times(Nanoseconds(startedAt), Nanoseconds(now));
        scope.Metrics.AddRange(collector.Collect((families, generation) => families.SelectMany(f => Convert(f, generation, times)).ToArray()));
        var resource = new Resource();
        resource.Attributes.Add(Attribute("service.name", identity.TelemetryName));
        resource.Attributes.Add(Attribute("service.instance.id", $"{Environment.MachineName}-{Environment.ProcessId}"));
        return new ExportMetricsServiceRequest { ResourceMetrics = { new ResourceMetrics { Resource = resource, ScopeMetrics = { scope } } } };
    }

    private static IEnumerable<Metric> Convert(MetricFamily family, long generation, Times times)
    {
        var series = family.Series(generation).ToArray();
        if (series.Length == 0) yield break;
        if (family.Kind == FamilyKind.Gauge)
        {
            var gauge = new Gauge();
            gauge.DataPoints.AddRange(series.Select(s => Point(s.Tags, s.Series.Value, times, null)));
            yield return new Metric { Name = family.Name, Description = family.Help, Gauge = gauge };
            yield break;
        }
        if (family.Kind == FamilyKind.Counter)
        {
            yield return Counter(family.Name, family.Help, series.Select(s => Point(s.Tags, s.Series.Value, times, null)));
            yield break;
        }
        yield return Counter(family.Name + "_bucket", family.Help, series.SelectMany(s => Buckets(family, s.Tags, s.Series, times)));
        yield return Counter(family.Name + "_sum", family.Help, series.Select(s => Point(s.Tags, s.Series.Value, times, null)));
        yield return Counter(family.Name + "_count", family.Help, series.Select(s => Point(s.Tags, Total(s.Series), times, null)));
    }

    private static Metric Counter(string name, string help, IEnumerable<NumberDataPoint> points)
    {
        var sum = new Sum { IsMonotonic = true, AggregationTemporality = AggregationTemporality.Cumulative };
        sum.DataPoints.AddRange(points);
        return new Metric { Name = name, Description = help, Sum = sum };
    }

    private static IEnumerable<NumberDataPoint> Buckets(MetricFamily family, TagSet tags, MetricSeries series, Times times)
    {
        long count = 0;
        for (var i = 0; i <= family.Bounds.Length; i++)
        {
            count += series.Buckets[i];
            yield return Point(tags, count, times, i < family.Bounds.Length ? PrometheusText.Number(family.Bounds[i]) : "+Inf");
        }
    }

    private static long Total(MetricSeries series)
    {
        long total = 0;
        foreach (var bucket in series.Buckets) total += bucket;
        return total;
    }

    private static NumberDataPoint Point(TagSet tags, double value, Times times, string? le)
    {
        var point = new NumberDataPoint { StartTimeUnixNano = times.Start, TimeUnixNano = times.Now, AsDouble = value };
        point.Attributes.AddRange(PrometheusText.Labels(tags).Select(l => Attribute(l.Key, l.Value)));
        if (le is not null) point.Attributes.Add(Attribute("le", le));
        return point;
    }

    private static KeyValue Attribute(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };

    private static ulong Nanoseconds(DateTimeOffset at) => (ulong)(at - DateTimeOffset.UnixEpoch).Ticks * 100;

    private readonly record struct Times(ulong Start, ulong Now);
}
