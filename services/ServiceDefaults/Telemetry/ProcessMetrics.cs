using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Vigil.ServiceDefaults;

/// <summary>The process's own figures, under the names that Prometheus client libraries use. The runtime reports GC and thread pool itself.</summary>
internal sealed class ProcessMetrics : IDisposable
{
    private readonly Process process = Process.GetCurrentProcess();
    private readonly TimeProvider clock;
    private readonly Lock gate = new();
    private long refreshedAt;

    public ProcessMetrics(IMeterFactory meters, ServiceIdentity identity, TimeProvider clock)
    {
        this.clock = clock;
        refreshedAt = clock.GetTimestamp();
        var meter = meters.Create(ServiceDefaultsExtensions.MeterName);
        meter.CreateObservableCounter("process.cpu", () => Read(p => p.TotalProcessorTime.TotalSeconds), "s", "User and system CPU time spent.");
        meter.CreateObservableGauge("process.resident_memory", () => Read(p => p.WorkingSet64), "By", "Resident memory.");
        meter.CreateObservableGauge("process.virtual_memory", () => Read(p => p.VirtualMemorySize64), "By", "Virtual memory.");
        meter.CreateObservableGauge("process.threads", () => Read(p => p.Threads.Count), "{thread}", "Threads of the operating system.");
        meter.CreateObservableGauge("process.start_time", () => new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0, "s", "Start of the process, Unix time.");
        if (OperatingSystem.IsLinux())
            meter.CreateObservableGauge("process.open_fds", () => Directory.GetFiles("/proc/self/fd").Length, "{file}", "Open file descriptors.");
        KeyValuePair<string, object?>[] build = [new("service", identity.Name), new("version", identity.Version), new("runtime", Environment.Version.ToString())];
        meter.CreateObservableGauge("vigil.build_info", () => new Measurement<int>(1, build), null, "1, with what is running as labels.");
    }

    public void Dispose() => process.Dispose();

    private double Read(Func<Process, double> figure)
    {
        lock (gate)
        {
            // Refreshing reads several files; once per collection is enough for all figures.
            if (clock.GetElapsedTime(refreshedAt) > TimeSpan.FromMilliseconds(200))
            {
                process.Refresh();
                refreshedAt = clock.GetTimestamp();
            }
            return figure(process);
        }
    }
}
