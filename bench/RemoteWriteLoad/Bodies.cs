using Google.Protobuf;
using IronSnappy;
using Prometheus.Write.V1;

namespace Vigil.RemoteWriteLoad;

/// <summary>
/// Makes the requests: series as services have them, in groups of one job, and values of a mix of kinds: counters that grow by whole numbers, gauges with two
/// decimals, and constants. The same for every receiver.
/// </summary>
internal sealed class Bodies(int series, int perBody, long firstMs)
{
    public const int StepMs = 15_000;

    private readonly double[] values = new double[series];

    /// <summary>Requests in one pass over all series.</summary>
    public int PerPass => (series + perBody - 1) / perBody;

    /// <summary>The request with some series at consecutive moments. To be asked for in the order of time, from one thread for the same series.</summary>
    /// <param name="group">Which series, from 0 to <see cref="PerPass"/>.</param>
    /// <param name="step">The first moment, counted from the beginning.</param>
    /// <param name="samples">How many moments.</param>
    public byte[] Make(int group, int step, int samples)
    {
        var request = new WriteRequest();
        for (var i = group * perBody; i < Math.Min(series, (group + 1) * perBody); i++)
        {
            var one = new TimeSeries
            {
                Labels =
                {
                    new Label { Name = "__name__", Value = $"http_requests_{i % 10}_total" },
                    new Label { Name = "instance", Value = $"10.0.{i / 250 % 250}.{i % 250}:9100" },
                    new Label { Name = "job", Value = "load" },
                    new Label { Name = "path", Value = $"/api/v1/resource/{i}" },
                    new Label { Name = "status", Value = i % 3 == 0 ? "500" : "200" },
                },
            };
            for (var s = 0; s < samples; s++) one.Samples.Add(new Sample { Timestamp = firstMs + (long)(step + s) * StepMs, Value = Next(i, step + s) });
            request.Timeseries.Add(one);
        }
        return Snappy.Encode(request.ToByteArray());
    }

    private double Next(int i, int step)
    {
        // Any number that looks like none: the same on every run.
        var noise = (uint)(i * 2_654_435_761u + step * 40_503u);
        noise ^= noise >> 15;
        noise *= 2_246_822_519u;
        noise ^= noise >> 13;
        return values[i] = (i % 10) switch
        {
            0 => 1,
            < 6 => values[i] + noise % 50,
            _ => Math.Round(50 + noise % 2_000 / 100.0, 2),
        };
    }
}
