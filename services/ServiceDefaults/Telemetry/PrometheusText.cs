using System.Globalization;
using System.Text;

namespace Vigil.ServiceDefaults;

/// <summary>The Prometheus text format, version 0.0.4.</summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<MetricFamily> families, long generation)
    {
        var text = new StringBuilder(16 << 10);
        foreach (var family in families)
        {
            var header = false;
            foreach (var (tags, series) in family.Series(generation))
            {
                if (!header)
                {
                    header = true;
                    text.Append("# HELP ").Append(family.Name).Append(' ').Append(family.Help.Replace("\\", "\\\\").Replace("\n", "\\n")).Append('\n');
                    text.Append("# TYPE ").Append(family.Name).Append(' ').Append(family.Kind.ToString().ToLowerInvariant()).Append('\n');
                }
                if (family.Kind == FamilyKind.Histogram) WriteHistogram(text, family, tags, series);
                else WriteSample(text, family.Name, tags, null, series.Value);
            }
        }
        return text.ToString();
    }

    /// <summary>Label names and values of a series; where two names become one, their values are joined, as the specification says.</summary>
    public static SortedDictionary<string, string> Labels(TagSet tags)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in tags.Tags)
        {
            var name = PrometheusNames.Label(key);
            var text = PrometheusNames.Value(value);
            labels[name] = labels.TryGetValue(name, out var other) ? $"{other};{text}" : text;
        }
        return labels;
    }

    public static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf"
        : double.IsNegativeInfinity(value) ? "-Inf"
        : value.ToString("R", CultureInfo.InvariantCulture);

    private static void WriteHistogram(StringBuilder text, MetricFamily family, TagSet tags, MetricSeries series)
    {
        long count = 0;
        for (var i = 0; i <= family.Bounds.Length; i++)
        {
            count += series.Buckets[i];
            WriteSample(text, family.Name + "_bucket", tags, i < family.Bounds.Length ? Number(family.Bounds[i]) : "+Inf", count);
        }
        WriteSample(text, family.Name + "_sum", tags, null, series.Value);
        WriteSample(text, family.Name + "_count", tags, null, count);
    }

    private static void WriteSample(StringBuilder text, string name, TagSet tags, string? le, double value)
    {
        text.Append(name);
        var separator = '{';
        foreach (var (key, label) in Labels(tags))
        {
            text.Append(separator).Append(key).Append("=\"").Append(label.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")).Append('"');
            separator = ',';
        }
        if (le is not null)
        {
            text.Append(separator).Append("le=\"").Append(le).Append('"');
            separator = ',';
        }
        if (separator == ',') text.Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }
}
