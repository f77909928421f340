using Google.Protobuf;
using IronSnappy;
using Prometheus.Write.V1;

namespace Vigil.QueryLoad;

/// <summary>What is sent.</summary>
/// <param name="PerMetric">Series of each metric.</param>
/// <param name="Jobs">Jobs that they belong to, in equal shares.</param>
/// <param name="Steps">Samples of each.</param>
/// <param name="StepMs">Milliseconds between them.</param>
/// <param name="EndMs">Time of the newest, milliseconds since 1970.</param>
internal sealed record Shape(int PerMetric, int Jobs, int Steps, int StepMs, long EndMs)
{
    public long StartMs => EndMs - (Steps - 1L) * StepMs;
}

/// <summary>
/// Makes the requests: counters, gauges with two decimals and the buckets of histograms, as services have them. Values come from the step and the series alone, so that
/// every receiver and every run gets the same.
/// </summary>
/// <param name="shape">How much.</param>
/// <param name="metrics">Of <see cref="Metrics"/>, how many.</param>
internal sealed class Workload(Shape shape, int metrics = 3)
{
    /// <summary>A counter, a gauge, and classic histograms.</summary>
    public static readonly IReadOnlyList<string> Metrics = ["load_requests_total", "load_queue_length", "load_latency_seconds_bucket"];

    private const int PerBody = 500;

    private static readonly string[] Bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"];

    // Not from zero: how a rate is extrapolated to the left of a counter that has just begun has changed with Prometheus 3.
    private readonly double[] values = [.. Enumerable.Repeat(1_000_000.0, shape.PerMetric * metrics)];

    public Shape Shape => shape;

    /// <summary>Series in all.</summary>
    public int Series => values.Length;

    /// <summary>Requests in one pass over all series.</summary>
    public int PerPass => (values.Length + PerBody - 1) / PerBody;

    /// <summary>The request with some series at consecutive moments; to be asked for in the order of time.</summary>
    public byte[] Make(int group, int step, int samples)
    {
        var request = new WriteRequest();
        for (var i = group * PerBody; i < Math.Min(values.Length, (group + 1) * PerBody); i++)
        {
            var one = new TimeSeries();
            AddLabels(one, i / shape.PerMetric, i % shape.PerMetric);
            for (var s = step; s < Math.Min(step + samples, shape.Steps); s++) one.Samples.Add(new Sample { Timestamp = shape.StartMs + (long)s * shape.StepMs, Value = Next(i, s) });
            request.Timeseries.Add(one);
        }
        return Snappy.Encode(request.ToByteArray());
    }

    private void AddLabels(TimeSeries series, int metric, int number)
    {
        // Ten buckets belong to one instance and path.
        var owner = metric == 2 ? number / Bounds.Length : number;
        Add("__name__", Metrics[metric]);
        Add("instance", $"10.0.{owner / 250 % 250}.{owner % 250}:9100");
        Add("job", $"load-{number / ((shape.PerMetric + shape.Jobs - 1) / shape.Jobs)}");
        if (metric == 2) Add("le", Bounds[number % Bounds.Length]);
        Add("path", $"/api/v1/resource/{owner % 20}");

        void Add(string name, string value) => series.Labels.Add(new Label { Name = name, Value = value });
    }

    private double Next(int i, int step)
    {
        // Any number that looks like none: the same on every run.
        var noise = (uint)(i * 2_654_435_761u + step * 40_503u);
        noise ^= noise >> 15;
        noise *= 2_246_822_519u;
        noise ^= noise >> 13;
        return (i / shape.PerMetric) switch
        {
            0 => values[i] += noise % 50,
            1 => Math.Round(50 + noise % 2_000 / 100.0, 2),
            // Cumulative over bounds: each counts more than the one before.
            _ => values[i] += (i % Bounds.Length) * 5 + noise % 5,
        };
    }
}
