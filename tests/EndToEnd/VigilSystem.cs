using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Aspire.Hosting.Runtime;
using Vigil.Client;
using Vigil.Testing;

namespace Vigil.EndToEnd;

/// <summary>Vigil as a person starts it: AppHost in a process of its own, with ports, data and policies of this test.</summary>
internal sealed class VigilSystem : IDisposable
{
    // The first start after a change builds the services, on a busy machine for minutes.
    public static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(6);
    public static readonly TimeSpan RecoveryTimeout = TimeSpan.FromSeconds(90);

    private readonly Process process;
    private readonly ConcurrentQueue<string> lines = new();

    public VigilSystem(string policies, string? pagerUrl, params string[] extra)
    {
        Folder = Directory.CreateTempSubdirectory("vigil-e2e-").FullName;
        Directory.CreateDirectory(Path.Combine(Folder, "policies"));
        File.WriteAllText(Path.Combine(Folder, "policies", "e2e.yaml"), policies);
        Ports = FreePorts(4);
        // Where the tests run in a shell's background SIGINT is ignored, which children inherit: env undoes that.
        var start = new ProcessStartInfo("env",
        [
            "--default-signal=INT", Dotnet.Path, AppHost, "--no-agent", $"--Ports:metrics:grpc={Ports[0]}", $"--Ports:metrics:http={Ports[1]}", $"--Ports:alerting:grpc={Ports[2]}", $"--Ports:alerting:http={Ports[3]}",
            $"--Storage:Directory={Path.Combine(Folder, "data")}", $"--Policies:Directory={Path.Combine(Folder, "policies")}", .. extra,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (pagerUrl is not null) start.Environment["Notify__Webhooks__0__Url"] = pagerUrl;
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, e) => { if (e.Data is not null) lines.Enqueue(e.Data); };
        process.ErrorDataReceived += (_, e) => { if (e.Data is not null) lines.Enqueue(e.Data); };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>AppHost's assembly lies beside this test's, in a folder of its own: artifacts/bin/AppHost/debug.</summary>
    public static string AppHost { get; } = Path.Combine(Path.GetFullPath("../..", AppContext.BaseDirectory.TrimEnd('/')), "AppHost", Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/')), "AppHost.dll");

    public string Folder { get; }

    public int[] Ports { get; }

    public string Text => string.Join('\n', lines);

    public async Task ReadyAsync()
    {
        await Waiting.Until(() => Task.FromResult(process.HasExited || Text.Contains("Vigil is ready", StringComparison.Ordinal)), "Vigil is ready", StartTimeout);
        if (process.HasExited) throw new InvalidOperationException($"AppHost ended with {process.ExitCode}:\n{Text}");
    }

    public VigilClient Client(string scope)
    {
        var tokens = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(Folder, "data", "tokens.json")))!;
        return new VigilClient(new VigilClientOptions
        {
            MetricsAddress = new Uri($"http://127.0.0.1:{Ports[0]}"),
            AlertingAddress = new Uri($"http://127.0.0.1:{Ports[2]}"),
            Token = tokens[scope],
        });
    }

    /// <summary>Everything that this AppHost has started and that still runs.</summary>
    public IReadOnlyList<int> Processes() => RunTag.Find(tag => tag.Pid == process.Id);

    /// <summary>The process of a service, by its assembly.</summary>
    public int? ProcessOf(string assembly) => Processes().Cast<int?>().FirstOrDefault(pid => Procfs.CommandLineOf(pid!.Value)?.Contains(assembly, StringComparison.Ordinal) == true);

    public void Signal(int signal) => Procfs.Signal(process.Id, signal);

    public async Task<int> ExitAsync()
    {
        await process.WaitForExitAsync().DefaultTimeout(TimeSpan.FromSeconds(60));
        return process.ExitCode;
    }

    public void Dispose()
    {
        // The watchdog ends what AppHost leaves; killing the tree as well spares the folder's deletion a race.
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private static int[] FreePorts(int count)
    {
        // All are held until all are known, or one might be given twice.
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners) listener.Dispose();
        return ports;
    }
}
