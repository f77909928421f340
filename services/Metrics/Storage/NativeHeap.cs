using System.Runtime.InteropServices;

namespace Vigil.Metrics.Storage;

/// <summary>
/// What is allocated outside the collector's heap, mostly by SQLite. glibc keeps what was given back, in an arena for each few threads, and after a flood that is ten megabytes
/// and more.
/// </summary>
internal static class NativeHeap
{
    /// <summary>Returns what is free to the system, where the C library can do that; others do it by themselves or not at all.</summary>
    public static void Trim()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = MallocTrim(0);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // musl: its allocator has no such thing.
        }
    }

    [DllImport("libc", EntryPoint = "malloc_trim")]
    private static extern int MallocTrim(nuint pad);
}
