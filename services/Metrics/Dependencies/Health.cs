namespace Vigil.Metrics.Dependencies;

/// <summary>How something is.</summary>
internal enum HealthState
{
    /// <summary>There is no data to tell.</summary>
    Unknown,

    /// <summary>All is well.</summary>
    Up,

    /// <summary>A part does not work.</summary>
    Degraded,

    /// <summary>It does not work.</summary>
    Down,
}

/// <summary>What a check yielded.</summary>
/// <param name="Check">The check.</param>
/// <param name="Holding">Series with another value than zero.</param>
/// <param name="Series">All series.</param>
/// <param name="Error">Why it could not be evaluated; null where it could.</param>
internal sealed record CheckResult(HealthCheck Check, int Holding, int Series, string? Error)
{
    /// <summary>Up where all series hold, down where none does, degraded between; unknown without any.</summary>
    public HealthState State => Series == 0 ? HealthState.Unknown : Holding == Series ? HealthState.Up : Holding == 0 ? HealthState.Down : HealthState.Degraded;
}

/// <summary>How a service is.</summary>
/// <param name="Service">The service.</param>
/// <param name="State">By its own checks.</param>
/// <param name="Reason">Why, as a sentence.</param>
/// <param name="Checks">What they yielded.</param>
/// <param name="DownBelow">Names of what it needs, directly or through others, and is down; the nearest first.</param>
internal sealed record ServiceStatus(ServiceNode Service, HealthState State, string Reason, IReadOnlyList<CheckResult> Checks, IReadOnlyList<string> DownBelow);

/// <summary>Judges services by their checks.</summary>
internal static class Health
{
    /// <summary>
    /// Down where every check with data fails, or one that is required; up where all hold; unknown where none has data; degraded otherwise, also
    /// where a check has no data while others hold.
    /// </summary>
    public static (HealthState State, string Reason) Judge(IReadOnlyList<CheckResult> checks)
    {
        if (checks.Count == 0) return (HealthState.Unknown, "it has no checks");
        var withData = checks.Where(c => c.State != HealthState.Unknown).ToArray();
        if (withData.Length == 0) return (HealthState.Unknown, checks.FirstOrDefault(c => c.Error is not null)?.Error ?? "no check has data");
        var failing = withData.Where(c => c.State == HealthState.Down).ToArray();
        if (failing.FirstOrDefault(c => c.Check.Required) is { } required) return (HealthState.Down, $"{required.Check.Name} fails");
        if (failing.Length == withData.Length) return (HealthState.Down, $"{Names(failing)} {(failing.Length == 1 ? "fails" : "fail")}");
        var worse = checks.Where(c => c.State != HealthState.Up).ToArray();
        return worse.Length == 0 ? (HealthState.Up, "all checks hold") : (HealthState.Degraded, string.Join(", ", worse.Select(Describe)));
    }

    /// <summary>Judges a whole graph.</summary>
    /// <param name="graph">The services.</param>
    /// <param name="results">What the checks of each yielded, by its name.</param>
    public static IReadOnlyList<ServiceStatus> Judge(ServiceGraph graph, IReadOnlyDictionary<string, IReadOnlyList<CheckResult>> results)
    {
        var judged = graph.Services.ToDictionary(s => s.Name, s => Judge(results[s.Name]), StringComparer.Ordinal);
        return [.. graph.Services.Select(s => new ServiceStatus(s, judged[s.Name].State, judged[s.Name].Reason, results[s.Name],
            [.. graph.Below(s.Name).Where(b => judged[b.Name].State == HealthState.Down).Select(b => b.Name)]))];
    }

    private static string Describe(CheckResult check) => check.State switch
    {
        HealthState.Degraded => $"{check.Check.Name} holds for {check.Holding} of {check.Series}",
        HealthState.Down => $"{check.Check.Name} fails",
        _ => $"{check.Check.Name} has no data",
    };

    private static string Names(IEnumerable<CheckResult> checks) => string.Join(", ", checks.Select(c => c.Check.Name));
}
