using Vigil.Client;
using Vigil.Metrics.V1;

namespace Vigil.Cli.Agent;

/// <summary>Reads this host once per interval and records it: CPU, memory, disks, network, load.</summary>
internal sealed class HostCollector(MetricsPusher pusher, IHostFiles files)
{
    private static readonly string[] NoDisk = ["tmpfs", "devtmpfs", "overlay", "squashfs", "proc", "sysfs", "cgroup2", "devpts", "mqueue", "ramfs", "autofs", "fuse.lxcfs", "nsfs", "tracefs", "bpf", "debugfs", "securityfs", "pstore", "configfs", "fusectl", "hugetlbfs", "binfmt_misc", "efivarfs"];

    private readonly Dictionary<(string Metric, string Label), SeriesHandle> handles = [];
    private CpuTimes? previousCpu;

    /// <summary>Takes one reading of everything at <paramref name="now"/>. What cannot be read is left out, never made up.</summary>
    public void Collect(DateTimeOffset now)
    {
        void Gauge(string name, double value, string unit, string label = "", string labelValue = "") => Record(name, value, SeriesKind.Gauge, unit, label, labelValue, now);
        void Counter(string name, double value, string unit, string label = "", string labelValue = "") => Record(name, value, SeriesKind.Counter, unit, label, labelValue, now);

        Gauge("up", 1, "1");
        if (files.Read("/proc/stat") is { } stat && ProcFiles.Cpu(stat) is { } cpu)
        {
            if (previousCpu is { } earlier && cpu.BusyShareSince(earlier) is { } share) Gauge("host_cpu_usage_ratio", share, "1");
            previousCpu = cpu;
        }
        if (files.Read("/proc/meminfo") is { } memInfo && ProcFiles.MemInfo(memInfo) is { } memory)
        {
            Gauge("host_memory_usage_ratio", memory.UsedRatio, "1");
            Gauge("host_memory_total_bytes", memory.Total, "By");
            Gauge("host_memory_available_bytes", memory.Available, "By");
        }
        if (files.Read("/proc/loadavg") is { } loadAverage && ProcFiles.LoadAverage(loadAverage) is { } load)
        {
            Gauge("host_load1", load.One, "1");
            Gauge("host_load5", load.Five, "1");
            Gauge("host_load15", load.Fifteen, "1");
        }
        if (files.Read("/proc/uptime") is { } uptimeText && ProcFiles.Uptime(uptimeText) is { } uptime) Gauge("host_uptime_seconds", uptime, "s");
        foreach (var device in ProcFiles.Network(files.Read("/proc/net/dev") ?? ""))
        {
            Counter("host_network_receive_bytes_total", device.ReceivedBytes, "By", "device", device.Name);
            Counter("host_network_transmit_bytes_total", device.TransmittedBytes, "By", "device", device.Name);
            Counter("host_network_receive_errors_total", device.ReceiveErrors, "1", "device", device.Name);
            Counter("host_network_transmit_errors_total", device.TransmitErrors, "1", "device", device.Name);
        }
        foreach (var disk in ProcFiles.Disks(files.Read("/proc/diskstats") ?? ""))
        {
            Counter("host_disk_read_bytes_total", disk.ReadBytes, "By", "device", disk.Name);
            Counter("host_disk_written_bytes_total", disk.WrittenBytes, "By", "device", disk.Name);
            Counter("host_disk_busy_seconds_total", disk.BusySeconds, "s", "device", disk.Name);
        }
        foreach (var mount in files.Mounts())
        {
            if (mount.TotalBytes <= 0 || NoDisk.Contains(mount.FileSystem)) continue;
            // As df does it: what only root may still use counts as used.
            Gauge("host_disk_usage_ratio", 1 - ((double)mount.AvailableBytes / mount.TotalBytes), "1", "mountpoint", mount.Path);
            Gauge("host_disk_total_bytes", mount.TotalBytes, "By", "mountpoint", mount.Path);
            Gauge("host_disk_available_bytes", mount.AvailableBytes, "By", "mountpoint", mount.Path);
        }
    }

    private void Record(string name, double value, SeriesKind kind, string unit, string label, string labelValue, DateTimeOffset now)
    {
        if (!handles.TryGetValue((name, labelValue), out var handle))
        {
            handle = pusher.Declare(name, label.Length == 0 ? [] : [KeyValuePair.Create(label, labelValue)], kind, unit);
            handles.Add((name, labelValue), handle);
        }
        pusher.Record(handle, value, now);
    }
}

/// <summary>One mounted file system.</summary>
internal readonly record struct Mount(string Path, string FileSystem, long TotalBytes, long AvailableBytes);

/// <summary>Where the host's figures come from: the boundary to the machine.</summary>
internal interface IHostFiles
{
    /// <summary>The text of a file, null where it cannot be read.</summary>
    string? Read(string path);

    /// <summary>The mounted file systems, by statvfs.</summary>
    IEnumerable<Mount> Mounts();
}

/// <summary>This machine.</summary>
internal sealed class HostFiles : IHostFiles
{
    public string? Read(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public IEnumerable<Mount> Mounts()
    {
        foreach (var drive in DriveInfo.GetDrives())
        {
            Mount? mount = null;
            try
            {
                if (drive.IsReady && Directory.Exists(drive.Name)) mount = new Mount(drive.Name, drive.DriveFormat, drive.TotalSize, drive.AvailableFreeSpace);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Unmounted in between, or not ours to look at: no reading.
            }
            if (mount is { } m) yield return m;
        }
    }
}
