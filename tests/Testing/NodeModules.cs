using System.Diagnostics;
using System.Security.Cryptography;

namespace Vigil.Testing;

/// <summary>Installs what a node program of a test needs, by its package-lock.json, once for each version of that.</summary>
public static class NodeModules
{
    /// <summary>Installs into a folder.</summary>
    /// <param name="source">Has package.json and package-lock.json.</param>
    /// <param name="target">Where <c>node_modules</c> goes.</param>
    /// <returns>Why it cannot be had here; null where it is there.</returns>
    public static string? Install(string source, string target)
    {
        if (Needs.Find("node") is null || Needs.Find("npm") is not { } npm) return "not installed: node and npm";
        var wanted = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(source, "package-lock.json"))));
        var stamp = Path.Combine(target, "installed");
        if (File.Exists(stamp) && File.ReadAllText(stamp) == wanted) return null;
        Directory.CreateDirectory(target);
        foreach (var file in new[] { "package.json", "package-lock.json" }) File.Copy(Path.Combine(source, file), Path.Combine(target, file), overwrite: true);
        var start = new ProcessStartInfo(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        {
            WorkingDirectory = target,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        if (Run(start) is { } problem) return $"npm ci failed: {problem}";
        File.WriteAllText(stamp, wanted);
        return null;
    }

    private static string? Run(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        process.OutputDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        var error = process.StandardError.ReadToEnd();
        if (process.WaitForExit(TimeSpan.FromMinutes(3))) return process.ExitCode == 0 ? null : error;
        process.Kill(entireProcessTree: true);
        return "it did not end within three minutes";
    }
}
