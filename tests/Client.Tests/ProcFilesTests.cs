using Vigil.Cli.Agent;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class ProcFilesTests
{
    [Fact]
    public void Cpu_TwoReadings_GivesTheBusyShare()
    {
        // user nice system idle iowait irq softirq steal guest guest_nice; guest is contained in user
        var before = ProcFiles.Cpu("cpu  100 0 50 800 50 0 0 0 10 0\ncpu0 1 2 3 4\n");
        var after = ProcFiles.Cpu("cpu  160 0 70 900 70 0 0 0 70 0\n");
        Assert.Equal(new CpuTimes(150, 1000), before);
        Assert.Equal(0.4, after!.Value.BusyShareSince(before!.Value)!.Value, 12);
    }

    [Fact]
    public void Cpu_SameReadingTwice_HasNoShare() =>
        Assert.Null(new CpuTimes(5, 10).BusyShareSince(new CpuTimes(5, 10)));

    [Fact]
    public void Cpu_IdleSteppingBack_StaysWithinOne() =>
        Assert.Equal(1, new CpuTimes(30, 20).BusyShareSince(new CpuTimes(0, 10)));

    [Theory]
    [InlineData("")]
    [InlineData("cpu0 1 2 3 4")]
    [InlineData("cpu  1 2")]
    [InlineData("cpu  a b c d e")]
    public void Cpu_NotThatFormat_IsNull(string text) => Assert.Null(ProcFiles.Cpu(text));

    [Fact]
    public void MemInfo_AvailableIsWhatCountsAsFree()
    {
        var memory = ProcFiles.MemInfo("MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n");
        Assert.Equal(new Memory(1_024_000, 256_000), memory);
        Assert.Equal(0.75, memory!.Value.UsedRatio, 12);
        Assert.Null(ProcFiles.MemInfo("MemTotal: 1000 kB\n"));
    }

    [Fact]
    public void LoadAverage_ThreeNumbers()
    {
        Assert.Equal((0.25, 1.5, 12.0), ProcFiles.LoadAverage("0.25 1.50 12.00 3/456 789\n"));
        Assert.Null(ProcFiles.LoadAverage("busy"));
    }

    [Fact]
    public void Network_LeavesTheLoopbackOut()
    {
        var devices = ProcFiles.Network("""
            Inter-|   Receive                                                |  Transmit
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
                lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0
              eth0: 1000 10 1 0 0 0 0 0 2000 20 2 0 0 0 0 0
            """);
        Assert.Equal([new NetworkDevice("eth0", 1000, 1, 2000, 2)], devices);
    }

    [Theory]
    [InlineData("sda", true)]
    [InlineData("sda1", false)]
    [InlineData("vdb", true)]
    [InlineData("nvme0n1", true)]
    [InlineData("nvme0n1p2", false)]
    [InlineData("loop3", false)]
    [InlineData("dm-0", true)]
    [InlineData("md127", true)]
    public void Disks_WholeDisksOnly(string name, bool counts)
    {
        var devices = ProcFiles.Disks($"   8       0 {name} 5 0 16 7 3 0 8 9 0 1500 16\n");
        if (counts) Assert.Equal([new BlockDevice(name, 16 * 512, 8 * 512, 1.5)], devices);
        else Assert.Empty(devices);
    }

    [Fact]
    public void Readers_AnyText_NeverThrow()
    {
        var random = new Random(7);
        for (var i = 0; i < 2000; i++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(80)).Select(_ => "cpu 0123456789:\nMemTotal kB.-lo"[random.Next(31)])]);
            ProcFiles.Cpu(text);
            ProcFiles.MemInfo(text);
            ProcFiles.LoadAverage(text);
            ProcFiles.Uptime(text);
            ProcFiles.Network(text);
            ProcFiles.Disks(text);
        }
    }
}
