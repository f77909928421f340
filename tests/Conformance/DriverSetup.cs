using System.Diagnostics;
using Vigil.Testing;

namespace Vigil.Conformance;

/// <summary>
/// Finds, and for node installs, what the drivers need. Where that is impossible the reason is told and the driver's tests are
/// left out, unless VIGIL_REQUIRE_ALL=1: then they fail.
/// </summary>
public static class DriverSetup
{
    public const string Node = "grpc-js";
    public const string Python = "grpcio";

    private static readonly string Here = AppContext.BaseDirectory;
    private static readonly Lazy<string?> NodeProblem = new(() => NodeModules.Install(Path.Combine(Here, "drivers"), Modules));
    private static readonly Lazy<(string? Program, string? Problem)> PythonProgram = new(FindPython);

    public static string[] All => [Node, Python];

    /// <summary>Why a driver cannot run here; null if it can.</summary>
    public static string? Problem(string name) => name == Node ? NodeProblem.Value : PythonProgram.Value.Problem;

    public static ProcessStartInfo StartInfo(string name)
    {
        if (Problem(name) is { } problem) throw new InvalidOperationException(problem);
        var start = name == Node
            ? new ProcessStartInfo(Needs.Require("node"), [Path.Combine(Here, "drivers", "driver.js"), Path.Combine(Here, "protos")])
            : new ProcessStartInfo(PythonProgram.Value.Program!, [Path.Combine(Here, "drivers", "driver.py")]);
        start.Environment["NODE_PATH"] = Path.Combine(Modules, "node_modules");
        // A proxy of the environment has no business between two programs on this machine.
        foreach (var variable in new[] { "http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY" }) start.Environment.Remove(variable);
        return start;
    }

    private static string Modules => Path.Combine(Here, "drivers-installed");

    private static (string?, string?) FindPython()
    {
        // Debian's packages belong to Debian's interpreter, which need not be the first on PATH.
        var candidates = new[] { "/usr/bin/python3", Needs.Find("python3") }.OfType<string>().Where(File.Exists).Distinct();
        foreach (var python in candidates)
        {
            var start = new ProcessStartInfo(python, ["-c", "import grpc, google.protobuf"]) { RedirectStandardError = true, RedirectStandardOutput = true };
            if (Run(start) is null) return (python, null);
        }
        return (null, "not installed: Python 3 with grpcio and protobuf (Debian: python3-grpcio)");
    }

    /// <summary>What went wrong; null if nothing did.</summary>
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

/// <summary>A test of our client against grpc-js, or of one driver by name.</summary>
public sealed class FactWithDriverAttribute : FactAttribute
{
    public FactWithDriverAttribute(string driver = DriverSetup.Node) => Skip = Needs.RequireAll ? null : DriverSetup.Problem(driver);
}

/// <summary>A table for one driver.</summary>
public sealed class TheoryWithDriverAttribute : TheoryAttribute
{
    public TheoryWithDriverAttribute(string driver = DriverSetup.Node) => Skip = Needs.RequireAll ? null : DriverSetup.Problem(driver);
}

/// <summary>A table with a row per driver that can run here.</summary>
public sealed class TheoryPerDriverAttribute : TheoryAttribute
{
    public TheoryPerDriverAttribute()
    {
        if (Rows.Drivers().Count == 0) Skip = string.Join("; ", DriverSetup.All.Select(DriverSetup.Problem));
    }
}

/// <summary>Rows that tests share.</summary>
public static class Rows
{
    public static TheoryData<string> Drivers() => [.. Usable];

    public static TheoryData<string, int> DriversAndCodes()
    {
        var rows = new TheoryData<string, int>();
        foreach (var driver in Usable)
            for (var code = 0; code <= 16; code++) rows.Add(driver, code);
        return rows;
    }

    public static TheoryData<int> Codes() => [.. Enumerable.Range(0, 17)];

    private static string[] Usable => [.. DriverSetup.All.Where(d => Needs.RequireAll || DriverSetup.Problem(d) is null)];
}
