using Xunit;

namespace Vigil.Testing;

/// <summary>
/// Suites that need a real program (PostgreSQL, node, ...) skip, with the reason, where it is not installed. With
/// VIGIL_REQUIRE_ALL=1 (as .ci/run sets it) nothing is skipped: a missing program fails the test.
/// </summary>
public static class Needs
{
    public static bool RequireAll => Environment.GetEnvironmentVariable("VIGIL_REQUIRE_ALL") == "1";

    public static string? Missing(params string[] programs)
    {
        if (RequireAll) return null;
        var missing = programs.Where(p => Find(p) is null).ToArray();
        return missing.Length == 0 ? null : $"not installed: {string.Join(", ", missing)}";
    }

    /// <summary>The full path of a program on PATH, in PostgreSQL's versioned folders, or in sbin; null where there is none.</summary>
    public static string? Find(string program)
    {
        if (Path.IsPathRooted(program)) return File.Exists(program) ? program : null;
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Append("/usr/sbin").Append("/usr/bin");
        if (Directory.Exists("/usr/lib/postgresql"))
            folders = folders.Concat(Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(d => Path.Combine(d, "bin")));
        return folders.Select(f => Path.Combine(f, program)).FirstOrDefault(File.Exists);
    }

    public static string Require(string program) =>
        Find(program) ?? throw new InvalidOperationException($"{program} is needed by this test and is not installed");
}

/// <summary>A fact that needs the named programs on this machine.</summary>
public sealed class FactNeedsAttribute : FactAttribute
{
    public FactNeedsAttribute(params string[] programs) => Skip = Needs.Missing(programs);
}

/// <summary>A theory that needs the named programs on this machine.</summary>
public sealed class TheoryNeedsAttribute : TheoryAttribute
{
    public TheoryNeedsAttribute(params string[] programs) => Skip = Needs.Missing(programs);
}
