using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Aspire.Hosting.Runtime;
using Vigil.Client;
using Vigil.Testing;

namespace Vigil.EndToEnd;

/// <summary>What a test starts.</summary>
internal sealed record SystemSetup(string? Policies = null, params string[] Options)
{
    /// <summary>With the agent that streams this machine's metrics.</summary>
    public bool Agent { get; init; }

    /// <summary>By "dotnet run", which starts AppHost as a process of its own.</summary>
    public bool DotnetRun { get; init; }

    /// <summary>The data directory; one of the test's own where null.</summary>
    public string? Data { get; init; }

    /// <summary>Beside this test's own environment; {folder} stands for the system's folder.</summary>
    public Dictionary<string, string> Environment { get; init; } = [];
}

/// <summary>Vigil as a person starts it: AppHost in a process of its own, with ports, data and policies of this test.</summary>
internal sealed class VigilSystem : IDisposable
{
    // The first start after a change builds the services, on a busy machine for minutes.
    public static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(6);
    public static readonly TimeSpan RecoveryTimeout = TimeSpan.FromSeconds(90);

    private readonly Process process;
    private readonly ConcurrentQueue<string> lines = new();

    public VigilSystem(SystemSetup setup)
    {
        Folder = Directory.CreateTempSubdirectory("vigil e2e-").FullName;
        Directory.CreateDirectory(Path.Combine(Folder, "policies", "demo"));
        if (setup.Policies is not null) File.WriteAllText(Path.Combine(Folder, "policies", "e2e.yaml"), setup.Policies);
        File.Copy(Path.Combine(Repository, "policies", "demo", "demo.yaml"), Path.Combine(Folder, "policies", "demo", "demo.yaml"));
        Data = setup.Data ?? Path.Combine(Folder, "data");
        Ports = FreePorts(5);
        // Where the tests run in a shell's background SIGINT is ignored, which children inherit: env undoes that.
        var start = new ProcessStartInfo("env",
        [
            "--default-signal=INT", Dotnet.Path,
            .. setup.DotnetRun ? (string[])["run", "--no-build", "--project", Path.Combine(Repository, "AppHost"), "--configuration", Configuration, "--"] : [AppHost],
            .. setup.Agent ? (string[])[] : ["--no-agent"],
            $"--Ports:metrics:grpc={Ports[0]}", $"--Ports:metrics:http={Ports[1]}", $"--Ports:alerting:grpc={Ports[2]}", $"--Ports:alerting:http={Ports[3]}", $"--Ports:demo-shop:http={Ports[4]}",
            $"--Storage:Directory={Data}", $"--Policies:Directory={Path.Combine(Folder, "policies")}", .. setup.Options,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in setup.Environment) start.Environment[name] = value.Replace("{folder}", Folder, StringComparison.Ordinal);
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, e) => { if (e.Data is not null) lines.Enqueue(e.Data); };
        process.ErrorDataReceived += (_, e) => { if (e.Data is not null) lines.Enqueue(e.Data); };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Debug or Release, as this test was built.</summary>
    private static string Configuration { get; } = Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));

    private static string Repository { get; } = Path.GetFullPath("../../../..", AppContext.BaseDirectory.TrimEnd('/'));

    /// <summary>AppHost's assembly lies beside this test's, in a folder of its own: artifacts/bin/AppHost/debug.</summary>
    public static string AppHost { get; } = Path.Combine(Path.GetFullPath("../..", AppContext.BaseDirectory.TrimEnd('/')), "AppHost", Configuration, "AppHost.dll");

    public static string Cli { get; } = AppHost.Replace($"/AppHost/{Configuration}/AppHost.dll", $"/Vigil.Cli/{Configuration}/vigil.dll", StringComparison.Ordinal);

    public string Folder { get; }

    public string Data { get; }

    /// <summary>Metrics' gRPC and HTTP, Alerting's, the demo shop's.</summary>
    public int[] Ports { get; }

    public string Text => string.Join('\n', lines);

    public async Task ReadyAsync()
    {
        await PrintsAsync(text => process.HasExited || text.Contains("Vigil is ready", StringComparison.Ordinal), "Vigil is ready", StartTimeout);
        if (process.HasExited) throw new InvalidOperationException($"AppHost ended with {process.ExitCode}:\n{Text}");
        AppHostPid = Procfs.Pids().Where(pid => Procfs.ParentOf(pid) == process.Id && Procfs.CommandLineOf(pid)?.Contains($"--Ports:metrics:grpc={Ports[0]}", StringComparison.Ordinal) == true)
            .Append(process.Id).First();
    }

    public string Token(string scope) => JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(Data, "tokens.json")))![scope];

    public VigilClient Client(string scope)
    {
        return new VigilClient(new VigilClientOptions
        {
            MetricsAddress = new Uri($"http://127.0.0.1:{Ports[0]}"),
            AlertingAddress = new Uri($"http://127.0.0.1:{Ports[2]}"),
            Token = Token(scope),
        });
    }

    /// <summary>AppHost's own process, which is not the one that was started where "dotnet run" was.</summary>
    public int AppHostPid { get; private set; }

    /// <summary>Everything that this AppHost has started and that still runs.</summary>
    public IReadOnlyList<int> Processes() => RunTag.Find(tag => tag.Pid == AppHostPid);

    /// <summary>The process of a service, by its assembly.</summary>
    public int? ProcessOf(string assembly) => Processes().Cast<int?>().FirstOrDefault(pid => Procfs.CommandLineOf(pid!.Value)?.Contains(assembly, StringComparison.Ordinal) == true);

    /// <summary>To the process that was started.</summary>
    public void Signal(int signal) => Procfs.Signal(process.Id, signal);

    /// <summary>Waits for text among what was printed.</summary>
    public async Task PrintsAsync(Func<string, bool> holds, string what, TimeSpan? timeout = null)
    {
        try
        {
            await Waiting.Until(() => Task.FromResult(process.HasExited || holds(Text)), what, timeout ?? RecoveryTimeout);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{Text}");
        }
        if (!holds(Text)) throw new InvalidOperationException($"AppHost ended before {what}:\n{Text}");
    }

    public async Task<int> ExitAsync()
    {
        await process.WaitForExitAsync().DefaultTimeout(TimeSpan.FromSeconds(60));
        return process.ExitCode;
    }

    public void Dispose()
    {
        // The watchdog ends what AppHost leaves; killing the tree as well spares the folder's deletion a race.
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        foreach (var left in AppHostPid > 0 ? Processes() : []) Procfs.Signal(left, Procfs.SigKill);
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
