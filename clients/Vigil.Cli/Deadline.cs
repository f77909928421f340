namespace Vigil.Cli;

/// <summary>Deadlines of calls.</summary>
internal static class Deadline
{
    public static DateTime In(double seconds) => TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(seconds);
}
