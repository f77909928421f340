using System.Globalization;

namespace Vigil.Cli.Agent;

/// <summary>Time the processors spent, summed over all, in clock ticks since boot.</summary>
internal readonly record struct CpuTimes(ulong Busy, ulong Total)
{
    /// <summary>The busy share between two readings, 0 to 1; null where no time passed.</summary>
    public double? BusyShareSince(CpuTimes earlier)
    {
        if (Total <= earlier.Total) return null;
        // Idle and iowait may step back by a tick on some kernels: the share stays within its bounds.
        var busy = Busy >= earlier.Busy ? Busy - earlier.Busy : 0;
        return Math.Clamp((double)busy / (Total - earlier.Total), 0, 1);
    }
}

/// <summary>Bytes of memory.</summary>
internal readonly record struct Memory(long Total, long Available)
{
    /// <summary>The share that is not available to a new program, 0 to 1.</summary>
    public double UsedRatio => Total > 0 ? 1 - ((double)Available / Total) : 0;
}

/// <summary>Counters of one network device since boot.</summary>
internal readonly record struct NetworkDevice(string Name, ulong ReceivedBytes, ulong ReceiveErrors, ulong TransmittedBytes, ulong TransmitErrors);

/// <summary>Counters of one block device since boot.</summary>
internal readonly record struct BlockDevice(string Name, ulong ReadBytes, ulong WrittenBytes, double BusySeconds);

/// <summary>
/// Readers of the kernel's text files; formats: proc(5), and Documentation/admin-guide/iostats.rst for diskstats. Each takes the
/// file's text and returns null, or leaves a line out, where it does not have that form.
/// </summary>
internal static class ProcFiles
{
    private const int SectorBytes = 512;

    /// <summary>/proc/stat, the line "cpu": user nice system idle iowait irq softirq steal guest guest_nice.</summary>
    public static CpuTimes? Cpu(string stat)
    {
        foreach (var line in stat.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith("cpu ")) continue;
            ulong total = 0, idle = 0;
            var field = 0;
            foreach (var word in Words(line))
            {
                // Guest time is contained in user time already: fields 9 and 10 are left out.
                if (field is >= 1 and <= 8)
                {
                    if (!ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)) return null;
                    total += ticks;
                    if (field is 4 or 5) idle += ticks;
                }
                field++;
            }
            return field >= 5 ? new CpuTimes(total - idle, total) : null;
        }
        return null;
    }

    /// <summary>/proc/meminfo: MemTotal and MemAvailable, in kB.</summary>
    public static Memory? MemInfo(string text)
    {
        long? total = null, available = null;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("MemTotal:")) total = Kilobytes(line);
            else if (line.StartsWith("MemAvailable:")) available = Kilobytes(line);
        }
        return total is { } t && available is { } a ? new Memory(t, a) : null;
    }

    /// <summary>/proc/loadavg: the averages over 1, 5 and 15 minutes.</summary>
    public static (double One, double Five, double Fifteen)? LoadAverage(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length >= 3 && Number(words[0]) is { } one && Number(words[1]) is { } five && Number(words[2]) is { } fifteen
            ? (one, five, fifteen)
            : null;
    }

    /// <summary>/proc/uptime: seconds since boot.</summary>
    public static double? Uptime(string text) => text.Split(' ') is [var first, ..] ? Number(first) : null;

    /// <summary>/proc/net/dev, without the loopback.</summary>
    public static List<NetworkDevice> Network(string text)
    {
        var devices = new List<NetworkDevice>();
        foreach (var line in text.Split('\n'))
        {
            var colon = line.IndexOf(':');
            if (colon < 0) continue;
            var name = line[..colon].Trim();
            var fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (name is "lo" or "" || fields.Length < 16) continue;
            if (Count(fields[0]) is { } received && Count(fields[2]) is { } receiveErrors && Count(fields[8]) is { } sent && Count(fields[10]) is { } sendErrors)
                devices.Add(new NetworkDevice(name, received, receiveErrors, sent, sendErrors));
        }
        return devices;
    }

    /// <summary>/proc/diskstats: whole disks only (no partitions, loop, ram or optical drives).</summary>
    public static List<BlockDevice> Disks(string text)
    {
        var devices = new List<BlockDevice>();
        foreach (var line in text.Split('\n'))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 14 || !IsWholeDisk(fields[2])) continue;
            if (Count(fields[5]) is { } read && Count(fields[9]) is { } written && Count(fields[12]) is { } busy)
                devices.Add(new BlockDevice(fields[2], read * SectorBytes, written * SectorBytes, busy / 1000.0));
        }
        return devices;
    }

    private static bool IsWholeDisk(string name)
    {
        if (name.StartsWith("loop", StringComparison.Ordinal) || name.StartsWith("ram", StringComparison.Ordinal) || name.StartsWith("sr", StringComparison.Ordinal)) return false;
        // nvme0n1p1 and mmcblk0p1 are partitions, as are sda1 and vda1; nvme0n1, dm-0 and md0 are not.
        if (name.StartsWith("nvme", StringComparison.Ordinal) || name.StartsWith("mmcblk", StringComparison.Ordinal)) return !name.Contains('p', StringComparison.Ordinal);
        if (name.StartsWith("dm-", StringComparison.Ordinal) || name.StartsWith("md", StringComparison.Ordinal)) return true;
        return !char.IsAsciiDigit(name[^1]);
    }

    private static long? Kilobytes(ReadOnlySpan<char> line)
    {
        var digits = line[(line.IndexOf(':') + 1)..].Trim();
        var space = digits.IndexOf(' ');
        return long.TryParse(space < 0 ? digits : digits[..space], NumberStyles.None, CultureInfo.InvariantCulture, out var kb) ? kb * 1024 : null;
    }

    private static double? Number(string word) => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static ulong? Count(string word) => ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static WordEnumerator Words(ReadOnlySpan<char> line) => new(line);

    private ref struct WordEnumerator(ReadOnlySpan<char> rest)
    {
        private ReadOnlySpan<char> rest = rest;

        public ReadOnlySpan<char> Current { get; private set; }

        public readonly WordEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            rest = rest.TrimStart(' ');
            if (rest.Length == 0) return false;
            var end = rest.IndexOf(' ');
            Current = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[end..];
            return true;
        }
    }
}
