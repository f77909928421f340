using System.Diagnostics.Tracing;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Vigil.Metrics;
using Vigil.ServiceDefaults;

namespace Vigil.IngestLoad;

/// <summary>
/// The service's side of <see cref="Service"/>: runs Metrics on free ports with its data in a folder of its own, writes its address to
/// standard output, answers each line of standard input with what it has used, and stops when there are no more.
/// </summary>
internal static class ServiceHost
{
    /// <summary>The first argument of a process that is to be this.</summary>
    public const string Command = "service";

    /// <summary>Further argument: prints the types of what was allocated to standard error, at the end.</summary>
    public const string Allocations = "allocations";

    public const string Token = "load";

    /// <param name="settings">Configuration as <c>key=value</c>, or <see cref="Allocations"/>.</param>
    public static async Task RunAsync(string[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-ingest-load-").FullName;
        using var types = settings.Contains(Allocations) ? new AllocatedTypes() : null;
        try
        {
            await using var app = Build(folder, settings);
            await app.StartAsync();
            Console.WriteLine(app.GrpcAddress());
            while (await Console.In.ReadLineAsync() is not null)
            {
                types?.Next();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{GC.GetTotalAllocatedBytes(precise: true)} {Environment.CpuUsage.TotalTime.Ticks}"));
            }
            types?.Print(Console.Error);
            await app.StopAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static WebApplication Build(string folder, string[] settings)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Listen:GrpcPort"] = "0",
            ["Listen:HttpPort"] = "0",
            ["Storage:Directory"] = folder,
            ["Auth:TokenHashes:admin:0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Token))),
            ["Telemetry:SelfMetricsInterval"] = "00:00:00",
            ["Logging:LogLevel:Default"] = "Warning",
        });
        builder.Configuration.AddInMemoryCollection(settings.Where(s => s.Contains('=')).Select(s => KeyValuePair.Create(s[..s.IndexOf('=')], (string?)s[(s.IndexOf('=') + 1)..])));
        // Standard output belongs to the caller.
        builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.AddServiceDefaults(new ServiceIdentity("metrics", 0, 0));
        builder.AddMetrics();
        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapMetrics();
        return app;
    }

    /// <summary>Counts allocations by type, from the sample that the runtime takes about every 100 kB.</summary>
    private sealed class AllocatedTypes : EventListener
    {
        private const EventKeywords Gc = (EventKeywords)1;

        private readonly Lock gate = new();
        private Dictionary<string, int> ticks = [];
        private Dictionary<string, int> before = [];

        /// <summary>Starts a new span of time.</summary>
        public void Next()
        {
            lock (gate) (before, ticks) = (ticks, []);
        }

        /// <summary>What was allocated in the last whole span.</summary>
        public void Print(TextWriter output)
        {
            lock (gate)
            {
                var all = (double)before.Values.Sum();
                foreach (var (type, count) in before.OrderByDescending(t => t.Value).Take(30)) output.WriteLine($"{count / all,7:P1} {type}");
            }
        }

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "Microsoft-Windows-DotNETRuntime") EnableEvents(eventSource, EventLevel.Verbose, Gc);
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventName?.StartsWith("GCAllocationTick", StringComparison.Ordinal) != true) return;
            var type = (string)eventData.Payload![eventData.PayloadNames!.IndexOf("TypeName")]!;
            lock (gate) ticks[type] = ticks.GetValueOrDefault(type) + 1;
        }
    }
}
