using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.IngestLoad;

/// <summary>What a process has used since it started.</summary>
/// <param name="AllocatedBytes">On the managed heap, by all threads.</param>
/// <param name="Cpu">Processor time, user and system.</param>
internal readonly record struct Usage(long AllocatedBytes, TimeSpan Cpu)
{
    public static Usage operator -(Usage later, Usage earlier) => new(later.AllocatedBytes - earlier.AllocatedBytes, later.Cpu - earlier.Cpu);
}

/// <summary>The Metrics service in a process of its own, so that what it uses can be told from what its callers use.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly Process process;
    private readonly string address;

    private Service(Process process, string address)
    {
        this.process = process;
        this.address = address;
    }

    public static Metadata Auth => new() { { "authorization", $"Bearer {ServiceHost.Token}" } };

    public GrpcChannel Connect() => GrpcChannel.ForAddress(address);

    /// <param name="settings">What <see cref="ServiceHost"/> takes.</param>
    public static async Task<Service> StartAsync(params IEnumerable<string> settings)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // Run as "dotnet the.dll", the program is the first argument.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        start.ArgumentList.Add(ServiceHost.Command);
        foreach (var setting in settings) start.ArgumentList.Add(setting);
        var process = Process.Start(start) ?? throw new InvalidOperationException("the service's process did not start");
        var address = await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the service did not start");
        return new Service(process, address);
    }

    /// <summary>What the service has used so far.</summary>
    public async Task<Usage> UsageAsync()
    {
        await process.StandardInput.WriteLineAsync();
        var answer = (await process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the service ended")).Split(' ');
        return new Usage(long.Parse(answer[0], CultureInfo.InvariantCulture), TimeSpan.FromTicks(long.Parse(answer[1], CultureInfo.InvariantCulture)));
    }

    public async ValueTask DisposeAsync()
    {
        // The end of its input tells the service to stop.
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
