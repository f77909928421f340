using System.Globalization;

namespace Vigil.GrpcLoad;

/// <summary>Prints what was measured, and keeps what falls short of the options.</summary>
public sealed class Report(LoadOptions options)
{
    public List<string> Failures { get; } = [];

    /// <summary>One table; the first side is what the others are compared with, the last is the one that must keep up.</summary>
    public void Add(string what, string unit, double perUnit, IReadOnlyList<(string Name, IReadOnlyList<Sample> Samples)> sides)
    {
        Console.WriteLine($"{what,-44}{"rate",12}{"share",8}{$"CPU us/{unit}",14}{"share",8}{$"bytes/{unit}",14}");
        var reference = sides[0].Samples;
        foreach (var (name, samples) in sides)
        {
            var (rate, cpu, bytes) = (Median(samples, s => s.PerSecond) / perUnit, Median(samples, s => s.CpuPerUnit) * perUnit, Median(samples, s => s.AllocatedPerUnit) * perUnit);
            var rateShare = Measure.Median(reference.Zip(samples, (a, b) => b.PerSecond / a.PerSecond));
            var cpuShare = Measure.Median(reference.Zip(samples, (a, b) => a.CpuPerUnit / b.CpuPerUnit));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-42}{rate,12:N0}{rateShare,8:P0}{cpu * 1e6,14:N1}{cpuShare,8:P0}{bytes,14:N0}"));
            if (!name.StartsWith("gRPC", StringComparison.Ordinal)) continue;
            if (rateShare < options.Ratio) Failures.Add(string.Create(CultureInfo.InvariantCulture, $"{name}, {what}: {rateShare:P1} of the bare endpoint's rate; {options.Ratio:P0} is wanted"));
            if (unit == "call" && bytes > options.Guard) Failures.Add(string.Create(CultureInfo.InvariantCulture, $"a unary call allocates {bytes:N0} bytes; the guard is {options.Guard:N0}"));
        }
    }

    private static double Median(IReadOnlyList<Sample> samples, Func<Sample, double> value) => Measure.Median(samples.Select(value));
}
