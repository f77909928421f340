namespace Vigil.Alerting.Policies;

/// <summary>
/// The common scale on which differently named severities are compared: Critical = P1 = Sev1 = 1, Warning = P2 = Sev2 = 2,
/// Info = P3 = Sev3 = 3. The native word and its own clock are kept; the level only orders them.
/// </summary>
internal static class SeverityScale
{
    /// <summary>1 to 3, or 0 for a word on no known scale.</summary>
    public static int LevelOf(string severity) => severity.ToLowerInvariant() switch
    {
        "critical" or "p1" or "sev1" or "page" => 1,
        "warning" or "p2" or "sev2" or "high" or "ticket" => 2,
        "info" or "p3" or "sev3" or "medium" or "informational" => 3,
        _ => 0,
    };
}
