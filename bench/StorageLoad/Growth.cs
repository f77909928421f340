namespace Vigil.StorageLoad;

/// <summary>The same load on more and more series, each time into an empty service: what a sample and a series cost must not depend on how many there are.</summary>
internal static class Growth
{
    /// <summary>Samples of each series: a block, and a part of the next one.</summary>
    public const int Samples = 160;

    private const int SeriesPerService = 10_000;
    private const int WarmSeries = 1_000;
    private const int WarmSamples = 5_000;

    // The service looks twice a minute whether memory can be given back.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(65);
    private static readonly int[] Sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000];

    public static async Task RunAsync(int samples, int stepSeconds, string[] settings, CancellationToken ct)
    {
        Console.WriteLine($"{samples} samples of each series, {SeriesPerService:N0} series a service; {Environment.ProcessorCount} processors");
        Console.WriteLine($"{"series",12}{"CPU s/1M",10}{"last tenth",12}{"resident MB",13}{"above empty, B/series",23}{"above the row before",22}{"first answer, CPU s",21}");
        var (seriesBefore, residentBefore) = (0, 0L);
        foreach (var series in Sizes)
        {
            var folder = Directory.CreateTempSubdirectory("vigil-storage-growth-").FullName;
            try
            {
                var shape = new Shape(series, series / SeriesPerService, samples, stepSeconds, 0);
                var (empty, resident, cpu, cpuOfLast) = await FillAsync(folder, shape, settings, ct);
                var restart = await RestartAsync(folder, shape, settings, ct);
                if (seriesBefore == 0) residentBefore = empty;
                Console.WriteLine(
                    $"{series,12:N0}{cpu,10:N3}{cpuOfLast,12:N3}{resident / 1e6,13:N0}{(resident - empty) / (double)series,23:N0}{(resident - residentBefore) / (double)(series - seriesBefore),22:N0}{restart,21:N2}");
                (seriesBefore, residentBefore) = (series, resident);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static async Task<(long Empty, long Resident, double Cpu, double CpuOfLast)> FillAsync(string folder, Shape shape, string[] settings, CancellationToken ct)
    {
        await using var service = await MetricsProcess.StartAsync(folder, settings);
        var empty = service.ResidentBytes;
        // What the runtime compiles is not the samples' to pay.
        await new Load(service, new Shape(WarmSeries, 1, WarmSamples, shape.StepSeconds, 0), "warm").RunAsync(ct);
        var start = service.Cpu;
        // The series that come last find the most others there.
        var last = Math.Max(1, shape.Services / 10);
        var firsts = shape with { Services = shape.Services - last, Series = shape.Series - last * SeriesPerService };
        if (firsts.Services > 0) await new Load(service, firsts, "load").RunAsync(ct);
        var middle = service.Cpu;
        await new Load(service, shape with { Services = last, Series = last * SeriesPerService }, "more").RunAsync(ct);
        var end = service.Cpu;
        await Task.Delay(Settled, ct);
        return (empty, service.ResidentBytes, PerMillion(end - start, (double)shape.Series * shape.Samples), PerMillion(end - middle, (double)last * SeriesPerService * shape.Samples));
    }

    private static async Task<double> RestartAsync(string folder, Shape shape, string[] settings, CancellationToken ct)
    {
        // More series than a query may have otherwise.
        await using var service = await MetricsProcess.StartAsync(folder, [.. settings, "Metrics:MaxSeriesPerQuery=10000000", "Metrics:QueryTimeout=00:05:00"]);
        var counted = await service.QueryAsync("count({__name__=~\"(load|more)_.*\"})", Load.End0(shape), ct);
        if (counted != shape.Series) Console.WriteLine($"WRONG: {counted} series");
        return service.Cpu.TotalSeconds;
    }

    private static double PerMillion(TimeSpan cpu, double samples) => cpu.TotalSeconds / samples * 1e6;
}
