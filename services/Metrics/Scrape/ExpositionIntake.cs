using System.Text;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>What a page held.</summary>
/// <param name="Error">Why nothing of it counts; null where all is well.</param>
/// <param name="Fault">The same for the counter.</param>
/// <param name="Scraped">Samples read.</param>
/// <param name="Kept">Samples that relabelling left.</param>
/// <param name="Added">Series that were not there the time before.</param>
internal readonly record struct IntakeResult(string? Error, ScrapeFault Fault, int Scraped, int Kept, int Added);

/// <summary>
/// Turns what one target exposes into samples of series, and knows which of them it exposed before. A series is found by the bytes it
/// is written in; only what is new is made into labels, relabelled and checked.
/// </summary>
internal sealed class ExpositionIntake(ScrapeTarget target, SeriesRules rules)
{
    /// <summary>Entries beyond twice those of the last good page after which failed pages are forgotten too.</summary>
    private const int Slack = 1_000;

    private readonly TextTable<Line> lines = new();
    private readonly TextTable<Family> families = new();
    private readonly Dictionary<string, MetricMetadata> metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<LabelSet, TargetSeries> series = [];
    private readonly List<Label> labels = [];
    private List<Line> page = [];
    private List<Line> pageBefore = [];
    private List<TargetSeries> seen = [];
    private List<TargetSeries> seenBefore = [];
    private long scrape;
    private int goodCount;
    private ScrapeTarget target = target;

    /// <summary>The running number of the page.</summary>
    public long Scrape => scrape;

    /// <summary>What the target says about its metrics.</summary>
    public IEnumerable<MetricMetadata> Metadata => metadata.Values;

    /// <summary>Samples of the newest page refused because of their labels.</summary>
    public ScrapeRefusals Refused { get; } = new();

    /// <summary>The target's settings changed: series are made anew, and those that are no more will be marked as ended.</summary>
    public void Change(ScrapeTarget changed)
    {
        target = changed;
        lines.Clear();
        page.Clear();
    }

    /// <summary>The series with the labels of the target itself, such as up.</summary>
    public TargetSeries Own(string name, string help) =>
        Find(target.Labels.With(LabelSet.NameLabel, name), () => (SeriesKind.Gauge, "", help));

    /// <summary>Reads a page.</summary>
    /// <param name="body">The page.</param>
    /// <param name="format">Its format.</param>
    /// <param name="timeMs">Of samples without a time of their own.</param>
    /// <param name="samples">Takes the samples; on an error they are not to be stored.</param>
    public IntakeResult Read(ReadOnlyMemory<byte> body, PageFormat format, long timeMs, TargetSamples samples)
    {
        if (format == PageFormat.Protobuf)
        {
            var families = new ProtobufReader(body, target.Job.NativeHistograms, target.Job.ClassicHistograms);
            return Read(ref families, openMetrics: false, isEmpty: body.IsEmpty, timeMs, samples);
        }
        var lines = new ExpositionReader(body.Span, format == PageFormat.OpenMetrics);
        return Read(ref lines, format == PageFormat.OpenMetrics, body.IsEmpty, timeMs, samples);
    }

    private IntakeResult Read<TReader>(ref TReader reader, bool openMetrics, bool isEmpty, long timeMs, TargetSamples samples)
        where TReader : IPageReader, allows ref struct
    {
        scrape++;
        (seen, seenBefore) = (seenBefore, seen);
        seen.Clear();
        Refused.Clear();
        var (scraped, kept, added) = (0, 0, 0);
        string? error = null;
        var fault = ScrapeFault.None;
        (page, pageBefore) = (pageBefore, page);
        page.Clear();
        // Where in the page before this one is: mostly it is the same page with other values.
        var at = 0;
        while (error is null)
        {
            reader.Expected = at < pageBefore.Count ? pageBefore[at].Text : null;
            if (!reader.Read()) break;
            if (reader.Entry != ExpositionEntry.Sample)
            {
                Describe(reader.Name, reader.Entry, reader.Detail);
                continue;
            }
            scraped++;
            Line? line;
            if (reader.IsExpected)
            {
                line = pageBefore[at];
            }
            else if (lines.TryGet(reader.Series, out line))
            {
                at = line.Position;
            }
            else
            {
                (line, fault, error) = Make(reader.Series, openMetrics);
                if (line is null)
                {
                    error = $"{reader.Place}: {error}";
                    break;
                }
                line.Text = lines.Add(reader.Series, line);
                if (line.Series is not null) added++;
            }
            at++;
            line.Position = page.Count;
            page.Add(line);
            line.SeenIn = scrape;
            if (line.Refusal is { } refusal) Refused.Add(refusal.Cause, 1, refusal.Detail);
            if (line.Series is not { } found) continue;
            kept++;
            var time = target.Job.HonorTimestamps ? reader.TimeMs : null;
            samples.Add(found, time ?? timeMs, reader.Value, reader.Histogram);
            if ((time is null || target.Job.TrackTimestampsStaleness) && found.SeenIn != scrape)
            {
                found.SeenIn = scrape;
                seen.Add(found);
            }
        }
        if (error is null && reader.Error is not null) (error, fault) = (reader.Error, ScrapeFault.Malformed);
        if (error is null && target.Job.Limits.Samples is > 0 and var limit && kept > limit)
            (error, fault) = ($"{kept} samples; at most {limit} are allowed (sample_limit)", ScrapeFault.SampleLimit);
        if (error is not null) Fail();
        Forget(good: error is null && !isEmpty);
        return new IntakeResult(error, fault, scraped, kept, added);
    }

    /// <summary>There is no page: whatever was seen before has ended.</summary>
    public void Miss()
    {
        scrape++;
        (seen, seenBefore) = (seenBefore, seen);
        seen.Clear();
        Refused.Clear();
    }

    /// <summary>The series that were in the page before and are not in the newest one.</summary>
    public IEnumerable<TargetSeries> Ended()
    {
        foreach (var one in seenBefore)
        {
            if (one.SeenIn != scrape) yield return one;
        }
    }

    /// <summary>The newest page, or its markers, could not be stored: what was seen before it may still have to be marked as ended.</summary>
    public void NotStored()
    {
        foreach (var one in seenBefore)
        {
            if (one.SeenIn == scrape) continue;
            one.SeenIn = scrape;
            seen.Add(one);
        }
    }

    // Of a page with an error nothing counts, and what it showed has not been seen.
    private void Fail()
    {
        foreach (var one in seen) one.SeenIn = -1;
        seen.Clear();
        Refused.Clear();
    }

    /// <summary>Lets go of what the newest page does not have, or, where pages fail and fail with ever other series, of all of that.</summary>
    private void Forget(bool good)
    {
        if (good) goodCount = lines.Count;
        else if (lines.Count <= 2 * goodCount + Slack) return;
        var now = scrape;
        lines.RemoveAll(l => l.SeenIn != now);
        families.RemoveAll(f => f.SeenIn != now && metadata.Remove(f.Metadata.Metric));
        goodCount = Math.Min(goodCount, lines.Count);
        if (series.Count <= lines.Count + Slack) return;
        var used = lines.Values.Select(l => l.Series).OfType<TargetSeries>().Concat(seenBefore).ToHashSet();
        foreach (var (labelSet, one) in series)
        {
            if (!used.Contains(one) && one.SeenIn != now) series.Remove(labelSet);
        }
    }

    private void Describe(ReadOnlySpan<byte> name, ExpositionEntry entry, ReadOnlySpan<byte> detail)
    {
        if (!families.TryGet(name, out var family)) families.Add(name, family = new Family(MetricMetadata.None(SeriesText.Unescape(name))));
        family.SeenIn = scrape;
        if (!family.Says(entry, detail)) metadata[family.Metadata.Metric] = family.Metadata;
    }

    // A line that is dropped or refused is remembered as well.
    private (Line? Line, ScrapeFault Fault, string? Error) Make(ReadOnlySpan<byte> text, bool openMetrics)
    {
        if (SeriesText.TryParse(text, openMetrics, labels) is { } fault) return (null, ScrapeFault.Malformed, fault);
        NormalizeBounds();
        var edited = Merge();
        if (!RelabelRule.Apply(target.Job.MetricRelabel, edited)) return (new Line(null), default, null);
        if (!edited.Remove(LabelSet.NameLabel, out var name)) return (null, ScrapeFault.Malformed, "relabelling left a series without a metric name");
        if (LimitHit(name, edited) is { } limit) return (null, ScrapeFault.LabelLimit, limit);
        var list = edited.Select(l => new Label(l.Key, l.Value)).ToList();
        if (target.Job.LegacyNames && NotLegacy(name, list) is { } other) return (new Line(null) { Refusal = other }, default, null);
        if (rules.Check(name, list) is { } refusal) return (new Line(null) { Refusal = refusal }, default, null);
        list.Add(new Label(LabelSet.NameLabel, name));
        return (new Line(Find(LabelSet.Create(list), () => MetricMetadata.Of(name, metadata) is var (family, kind) ? (kind, family?.Unit ?? "", family?.Help ?? "") : default)), default, null);
    }

    /// <summary>Prometheus 3 writes bounds alike, however the page does: le="1" is le="1.0". So the formats, and the versions of a client, make no series of their own.</summary>
    private void NormalizeBounds()
    {
        for (var i = 1; i < labels.Count; i++)
        {
            if (labels[i].Name is not ("le" or "quantile")) continue;
            var type = MetricMetadata.Of(labels[0].Value, metadata).Family?.Type;
            if (labels[i].Name == "le" ? type is not ("histogram" or "gaugehistogram") : type != "summary") continue;
            if (ExpositionNumber.TryParse(Encoding.UTF8.GetBytes(labels[i].Value), out var bound)) labels[i] = labels[i] with { Value = GoText.FloatOpenMetrics(bound) };
        }
    }

    private static (RefusalCause Cause, string Detail)? NotLegacy(string name, List<Label> labels)
    {
        const string Why = "is not made of letters, digits and underscores, as metric_name_validation_scheme 'legacy' has it";
        if (!LabelNames.IsLegacyMetric(name)) return (RefusalCause.BadName, $"the metric name {GoText.Quote(name)} {Why}");
        return labels.Find(l => !LabelNames.IsLegacy(l.Name)) is { Name.Length: > 0 } label ? (RefusalCause.BadLabel, $"the label name {GoText.Quote(label.Name)} of {name} {Why}") : null;
    }

    /// <summary>The labels of the line and of the target; where both have one, the job says whose counts.</summary>
    private Dictionary<string, string> Merge()
    {
        var edited = labels.ToDictionary(l => l.Name, l => l.Value, StringComparer.Ordinal);
        foreach (var (name, value) in target.Labels.AsLabels())
        {
            if (edited.Remove(name, out var exposed))
            {
                if (target.Job.HonorLabels)
                {
                    edited[name] = exposed;
                    continue;
                }
                var moved = "exported_" + name;
                while (edited.ContainsKey(moved) || target.Labels.TryGet(moved, out _)) moved = "exported_" + moved;
                edited[moved] = exposed;
            }
            edited[name] = value;
        }
        return edited;
    }

    private string? LimitHit(string name, Dictionary<string, string> edited)
    {
        var limits = target.Job.Limits;
        // The metric name is a label, in Prometheus' count too.
        if (limits.Labels > 0 && edited.Count + 1 > limits.Labels) return $"{name} has {edited.Count + 1} labels; at most {limits.Labels} are allowed (label_limit)";
        foreach (var (label, value) in edited.Prepend(KeyValuePair.Create(LabelSet.NameLabel, name)))
        {
            if (limits.LabelNameLength > 0 && Encoding.UTF8.GetByteCount(label) > limits.LabelNameLength) return $"the label name {label} of {name} is longer than {limits.LabelNameLength} bytes (label_name_length_limit)";
            if (limits.LabelValueLength > 0 && Encoding.UTF8.GetByteCount(value) > limits.LabelValueLength) return $"the label {label} of {name} is longer than {limits.LabelValueLength} bytes (label_value_length_limit)";
        }
        return null;
    }

    private TargetSeries Find(LabelSet labelSet, Func<(SeriesKind Kind, string Unit, string Help)> describe)
    {
        if (series.TryGetValue(labelSet, out var found)) return found;
        var (kind, unit, help) = describe();
        found = new TargetSeries(new SeriesSpec { Labels = labelSet, Kind = kind, Unit = Cut(unit, 63), Help = Cut(help, 1024) });
        series.Add(labelSet, found);
        return found;
    }

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];

    /// <summary>What a line's series came to: null where relabelling dropped it, or it was refused.</summary>
    private sealed class Line(TargetSeries? series)
    {
        public TargetSeries? Series => series;

        public (RefusalCause Cause, string Detail)? Refusal { get; init; }

        public long SeenIn { get; set; }

        /// <summary>As the page has it.</summary>
        public byte[] Text { get; set; } = [];

        /// <summary>Its place in the newest page that had it.</summary>
        public int Position { get; set; }
    }

    /// <summary>What is said about a family, with the bytes it was said in.</summary>
    private sealed class Family(MetricMetadata metadata)
    {
        private readonly byte[]?[] said = new byte[]?[4];

        public MetricMetadata Metadata { get; private set; } = metadata;

        public long SeenIn { get; set; }

        /// <summary>True where it says that already.</summary>
        public bool Says(ExpositionEntry entry, ReadOnlySpan<byte> detail)
        {
            if (said[(int)entry] is { } before && detail.SequenceEqual(before)) return true;
            said[(int)entry] = detail.ToArray();
            Metadata = Metadata.With(entry, detail);
            return false;
        }
    }
}
