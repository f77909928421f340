using System.Globalization;
using System.Runtime.InteropServices;

namespace Aspire.Hosting.Runtime;

/// <summary>What Linux tells of processes under /proc. Elsewhere, and of processes of other users, it tells nothing: null or empty.</summary>
internal static class Procfs
{
    public const int SigTerm = 15;
    public const int SigKill = 9;

    /// <summary>The program that starts another in a session of its own (util-linux, BusyBox); null where there is none.</summary>
    public static string? SessionStarter { get; } = OperatingSystem.IsLinux() ? ProgramAt("setsid") : null;

    /// <summary>The executable file that a command names, looked for in PATH where it is a bare name; null where there is none.</summary>
    public static string? ProgramAt(string command)
    {
        var places = command.Contains('/', StringComparison.Ordinal)
            ? [Path.GetFullPath(command)]
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, command));
        const UnixFileMode executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return places.FirstOrDefault(file => File.Exists(file) && !OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & executable) != 0);
    }

    public static IEnumerable<int> Pids()
    {
        if (!OperatingSystem.IsLinux()) return [];
        return Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var pid) ? pid : 0).Where(pid => pid > 0);
    }

    /// <summary>The value of a variable in the environment that the process was started with.</summary>
    public static string? EnvironmentOf(int pid, string name)
    {
        if (Read(pid, "environ") is not { } text) return null;
        foreach (var range in text.AsSpan().Split('\0'))
        {
            var entry = text.AsSpan(range);
            if (entry.StartsWith(name) && entry.Length > name.Length && entry[name.Length] == '=') return entry[(name.Length + 1)..].ToString();
        }
        return null;
    }

    /// <summary>Clock ticks from boot to the process's start: together with the pid it names a process for good. Null for a zombie.</summary>
    public static long? StartOf(int pid)
    {
        var fields = Stat(pid);
        return fields is { Length: > 19 } && fields[0] is not ("Z" or "X") ? long.Parse(fields[19], CultureInfo.InvariantCulture) : null;
    }

    public static int? ParentOf(int pid) => Stat(pid) is { Length: > 1 } fields ? int.Parse(fields[1], CultureInfo.InvariantCulture) : null;

    public static string? CommandLineOf(int pid) => Read(pid, "cmdline")?.Replace('\0', ' ').Trim();

    /// <summary>Who listens on a TCP port of this machine.</summary>
    public static int? ListenerOn(int port)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var sockets = SocketsListeningOn(port).Select(inode => $"socket:[{inode}]").ToHashSet();
        if (sockets.Count == 0) return null;
        foreach (var pid in Pids())
        {
            try
            {
                if (Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd").Any(fd => File.ResolveLinkTarget(fd, false) is { } target && sockets.Contains(Path.GetFileName(target.FullName))))
                    return pid;
            }
            catch (Exception e) when (e is UnauthorizedAccessException or IOException)
            {
                // Another user's process, or one that just ended: not the one that can be named.
            }
        }
        return null;
    }

    /// <summary>Sends a signal; false where the process is gone or not ours.</summary>
    public static bool Signal(int pid, int signal) => !OperatingSystem.IsWindows() && Kill(pid, signal) == 0;

    private static IEnumerable<string> SocketsListeningOn(int port)
    {
        var suffix = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        foreach (var table in (string[])["/proc/net/tcp", "/proc/net/tcp6"])
        {
            if (!File.Exists(table)) continue;
            foreach (var line in File.ReadLines(table).Skip(1))
            {
                // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode; state 0A is LISTEN.
                var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length > 9 && fields[3] == "0A" && fields[1].EndsWith(suffix, StringComparison.Ordinal)) yield return fields[9];
            }
        }
    }

    /// <summary>The fields of /proc/pid/stat from the third (state) on: the second, the name, may hold spaces and brackets.</summary>
    private static string[]? Stat(int pid) =>
        Read(pid, "stat") is { } text && text.LastIndexOf(')') is > 0 and var end ? text[(end + 2)..].Split(' ') : null;

    private static string? Read(int pid, string file)
    {
        if (!OperatingSystem.IsLinux()) return null;
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int pid, int signal);
}
