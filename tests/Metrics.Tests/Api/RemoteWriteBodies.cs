using Google.Protobuf;
using IronSnappy;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Api;

/// <summary>Makes requests of remote write.</summary>
internal static class RemoteWriteBodies
{
    public static byte[] Pack(IMessage message) => Snappy.Encode(message.ToByteArray());

    public static Write1.TimeSeries V1Series(string name, (string Name, string Value)[] labels, params (long Time, double Value)[] samples)
    {
        var series = new Write1.TimeSeries { Labels = { new Write1.Label { Name = "__name__", Value = name } } };
        foreach (var (label, value) in labels) series.Labels.Add(new Write1.Label { Name = label, Value = value });
        foreach (var (time, value) in samples) series.Samples.Add(new Write1.Sample { Timestamp = time, Value = value });
        return series;
    }

    /// <summary>Adds a series to a request of 2.0, and what it needs to the table.</summary>
    public static Write2.TimeSeries Add(this Write2.Request request, string name, (string Name, string Value)[] labels, params (long Time, double Value)[] samples)
    {
        if (request.Symbols.Count == 0) request.Symbols.Add("");
        var series = new Write2.TimeSeries();
        foreach (var (label, value) in labels.Prepend(("__name__", name))) series.LabelsRefs.Add([request.Symbol(label), request.Symbol(value)]);
        foreach (var (time, value) in samples) series.Samples.Add(new Write2.Sample { Timestamp = time, Value = value });
        request.Timeseries.Add(series);
        return series;
    }

    public static uint Symbol(this Write2.Request request, string text)
    {
        var at = request.Symbols.IndexOf(text);
        if (at >= 0) return (uint)at;
        request.Symbols.Add(text);
        return (uint)request.Symbols.Count - 1;
    }
}
