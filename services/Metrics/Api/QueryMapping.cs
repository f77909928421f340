using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using Label = Vigil.Metrics.V1.Label;

namespace Vigil.Metrics.Api;

/// <summary>Values of queries as messages.</summary>
internal static class QueryMapping
{
    public static QueryResponse ToResponse(QueryValue value, long timeMs)
    {
        var response = new QueryResponse { TimeUnixMs = timeMs };
        switch (value)
        {
            case VectorValue vector:
                response.Vector = new Vector();
                foreach (var element in vector.Elements) response.Vector.Samples.Add(ToSample(element.Labels, element.Value, element.Histogram));
                break;
            case ScalarValue scalar:
                response.Scalar = scalar.Value;
                break;
            case MatrixValue matrix:
                response.Matrix = new Matrix();
                foreach (var series in matrix.Series) response.Matrix.Series.Add(ToSeries(series));
                break;
            case TextValue text:
                response.Text = text.Text;
                break;
        }
        return response;
    }

    public static WatchEvent ToEvent(string watchId, StandingValue value, long at, bool changed)
    {
        var written = new WatchEvent
        {
            WatchId = watchId,
            EvaluatedAtUnixMs = at,
            InputSeries = (uint)value.InputSeries,
            Changed = changed,
            CauseReceivedUnixUs = changed ? value.CauseReceivedUnixUs : 0,
        };
        if (value.Error is not null)
        {
            written.Error = value.Error;
            return written;
        }
        written.Vector = new Vector();
        foreach (var element in value.Vector) written.Vector.Samples.Add(ToSample(element.Labels, element.Value, Decode(element)));
        return written;
    }

    private static VectorSample ToSample(LabelSet labels, double value, FloatHistogram? histogram)
    {
        var sample = new VectorSample { Value = histogram is null ? value : double.NaN, Histogram = histogram is null ? null : ToHistogram(histogram) };
        foreach (var (name, text) in labels.AsLabels()) sample.Labels.Add(new Label { Name = name, Value = text });
        return sample;
    }

    private static MatrixSeries ToSeries(SeriesSamples series)
    {
        var written = new MatrixSeries();
        foreach (var (name, text) in series.Labels.AsLabels()) written.Labels.Add(new Label { Name = name, Value = text });
        foreach (var time in series.Times.Span) written.TimesUnixMs.Add(time);
        var values = series.Values.Span;
        var histograms = series.Histograms.Span;
        for (var i = 0; i < values.Length; i++)
        {
            var histogram = histograms.IsEmpty ? null : histograms[i];
            written.Values.Add(histogram is null ? values[i] : double.NaN);
            if (histogram is not null) written.Histograms.Add(new MatrixHistogram { Index = (uint)i, Histogram = ToHistogram(histogram) });
        }
        return written;
    }

    private static Histogram ToHistogram(FloatHistogram histogram)
    {
        var written = new Histogram { Count = histogram.Count, Sum = histogram.Sum };
        for (var place = 0; place < histogram.Places; place++)
        {
            if (!histogram.BucketAt(place, out var bucket) || bucket.Count == 0) continue;
            written.Buckets.Add(new V1.HistogramBucket
            {
                Lower = bucket.Lower,
                Upper = bucket.Upper,
                LowerInclusive = bucket.LowerInclusive,
                UpperInclusive = bucket.UpperInclusive,
                Count = bucket.Count,
            });
        }
        return written;
    }

    // Its own grain wrote it, a moment ago.
    private static FloatHistogram? Decode(StandingElement element) =>
        element.Histogram is not { } data ? null
        : HistogramCodec.TryDecode(data, out var histogram) ? histogram
        : throw new InvalidDataException("a watched histogram is damaged");
}
