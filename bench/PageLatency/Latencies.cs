using System.Diagnostics;
using System.Globalization;

namespace Vigil.PageLatency;

/// <summary>How long something took, many times.</summary>
internal sealed class Latencies(string system, string what)
{
    private readonly List<double> milliseconds = [];

    public static string Header => $"{"",-24}{"",-40}{"n",7}{"p50 ms",10}{"p90 ms",10}{"p99 ms",10}{"max ms",10}";

    public void Add(long from, long to) => milliseconds.Add(Stopwatch.GetElapsedTime(from, to).TotalMilliseconds);

    public double Percentile(double p)
    {
        var sorted = milliseconds.Order().ToArray();
        return sorted[Math.Max(0, (int)Math.Ceiling(p * sorted.Length) - 1)];
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{system,-24}{what,-40}{milliseconds.Count,7}{Percentile(0.5),10:F1}{Percentile(0.9),10:F1}{Percentile(0.99),10:F1}{Percentile(1),10:F1}");
}
