using Vigil.PageLatency;

Options options;
try
{
    options = Options.Parse(args);
}
catch (FormatException e)
{
    Console.Error.WriteLine($"{e.Message}\n\n{Options.Usage}");
    return 2;
}

var folder = Directory.CreateTempSubdirectory("vigil-page-latency-").FullName;
try
{
    Console.WriteLine($"{Environment.ProcessorCount} processors, .NET {Environment.Version}; times in milliseconds, page = the webhook's request has arrived");
    Console.WriteLine(Latencies.Header);
    await using (var pages = await PageReceiver.StartAsync())
    await using (var vigil = await VigilSide.StartAsync(pages, folder))
    {
        await vigil.FlipAsync(options.WarmUp);
        foreach (var row in await vigil.FlipAsync(options.Flips)) Console.WriteLine(row);
    }
    if (options.PrometheusFlips == 0) return 0;
    if (PrometheusSide.Missing is { } missing)
    {
        Console.WriteLine($"Prometheus and Alertmanager are left out: {missing}");
        return 0;
    }
    // How long after a scrape the rules are evaluated is fixed by hashes of addresses and names for as long as a Prometheus runs: a fresh
    // pair on other ports for each few flips goes through many such distances.
    const int FlipsPerStart = 4;
    var rows = new PrometheusRows();
    for (var done = 0; done < options.PrometheusFlips; done += FlipsPerStart)
    {
        await using var pages = await PageReceiver.StartAsync();
        await using var prometheus = await PrometheusSide.StartAsync(pages, Directory.CreateDirectory(Path.Combine(folder, $"prometheus-{done}")).FullName);
        await prometheus.FlipAsync(Math.Min(FlipsPerStart, options.PrometheusFlips - done), rows);
    }
    foreach (var row in rows.All) Console.WriteLine(row);
    return 0;
}
finally
{
    if (options.KeepData) Console.WriteLine($"data and logs: {folder}");
    else Directory.Delete(folder, recursive: true);
}
