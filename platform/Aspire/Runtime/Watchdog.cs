using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Aspire.Hosting.Runtime;

/// <summary>
/// A process beside the AppHost that ends whatever the AppHost has started once the AppHost is gone, however it went (kill -9 included). It
/// learns of that by its standard input, a pipe whose other end only the AppHost holds: the kernel closes it. On Linux it finds the processes by
/// their <see cref="RunTag"/>; elsewhere by the ids that the AppHost wrote into the pipe.
/// </summary>
internal sealed class Watchdog : IDisposable
{
    private readonly Process process;
    private bool disposed;

    private Watchdog(Process process) => this.process = process;

    public static Watchdog Start(RunTag tag)
    {
        var start = new ProcessStartInfo(Dotnet.Path, [typeof(Watchdog).Assembly.Location, tag.ToString()])
        {
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        // It must neither be found by its own search nor by that of an AppHost around this one.
        start.Environment.Remove(RunTag.Variable);
        // A second runtime that does next to nothing: keep it small.
        start.Environment["DOTNET_GCHeapHardLimit"] = "0x2000000";
        start.Environment["DOTNET_TieredCompilation"] = "1";
        return new Watchdog(Process.Start(start) ?? throw new DistributedApplicationException("the watchdog process could not be started"));
    }

    /// <summary>Tells of a process that was started.</summary>
    public void Add(int pid)
    {
        try
        {
            process.StandardInput.WriteLine(pid.ToString(CultureInfo.InvariantCulture));
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // Someone killed the watchdog. On Linux the next AppHost finds orphans without it; the system itself runs on.
        }
    }

    /// <summary>Lets the watchdog go: it ends what is left of the system, and then itself.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It was killed: there is no one to tell.
        }
        process.Dispose();
    }

    /// <summary>The watchdog process itself.</summary>
    public static async Task<int> Main(string[] args)
    {
        if (args.Length != 1 || RunTag.Parse(args[0]) is not { } tag)
        {
            await Console.Error.WriteLineAsync("This program is started by an AppHost, to end what it started when it is killed.").ConfigureAwait(false);
            return 2;
        }
        // Ctrl+C reaches everything that the terminal runs; the watchdog must outlive the AppHost, which handles it.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => context.Cancel = true);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => context.Cancel = true);
        var pids = new HashSet<int>();
        while (await Console.In.ReadLineAsync().ConfigureAwait(false) is { } line)
            if (int.TryParse(line, CultureInfo.InvariantCulture, out var pid)) pids.Add(pid);
        if (OperatingSystem.IsLinux())
        {
            await RunTag.EndAllAsync(found => found == tag, TimeSpan.FromSeconds(2), TimeProvider.System).ConfigureAwait(false);
            return 0;
        }
        foreach (var pid in pids) KillTree(pid);
        return 0;
    }

    private static void KillTree(int pid)
    {
        try
        {
            using var left = Process.GetProcessById(pid);
            left.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It had ended already.
        }
    }
}

/// <summary>The dotnet program that runs this process.</summary>
internal static class Dotnet
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        if (System.IO.Path.GetFileName(Environment.ProcessPath) == name) return Environment.ProcessPath!;
        // .../shared/Microsoft.NETCore.App/10.0.x/ lies three folders below the dotnet program.
        var beside = System.IO.Path.GetFullPath(System.IO.Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../..", name));
        return File.Exists(beside) ? beside : name;
    }
}
