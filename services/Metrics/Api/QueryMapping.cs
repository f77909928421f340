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
                foreach (var element in vector.Elements) response.Vector.Samples.Add(ToSample(element.Labels, element.Value));
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
        foreach (var element in value.Vector) written.Vector.Samples.Add(ToSample(element.Labels, element.Value));
        return written;
    }

    private static VectorSample ToSample(LabelSet labels, double value)
    {
        var sample = new VectorSample { Value = value };
        foreach (var (name, text) in labels.AsLabels()) sample.Labels.Add(new Label { Name = name, Value = text });
        return sample;
    }

    private static MatrixSeries ToSeries(SeriesSamples series)
    {
        var written = new MatrixSeries();
        foreach (var (name, text) in series.Labels.AsLabels()) written.Labels.Add(new Label { Name = name, Value = text });
        foreach (var time in series.Times.Span) written.TimesUnixMs.Add(time);
        foreach (var value in series.Values.Span) written.Values.Add(value);
        return written;
    }
}
