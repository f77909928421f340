using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Testing;

namespace Vigil.Aspire.Tests;

/// <summary>A folder of a test's own, gone afterwards.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("vigil-aspire-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Lines that a program prints, to wait for.</summary>
internal sealed class Lines
{
    private readonly ConcurrentQueue<string> all = new();
    private readonly Channel<string> channel = Channel.CreateUnbounded<string>();

    public string Text => string.Join('\n', all);

    public void Add(string line)
    {
        all.Enqueue(line);
        channel.Writer.TryWrite(line);
    }

    /// <summary>The next line, after those already waited for, that holds the text.</summary>
    public async Task<string> Next(string part)
    {
        using var timeout = new CancellationTokenSource(Waiting.Default);
        try
        {
            await foreach (var line in channel.Reader.ReadAllAsync(timeout.Token))
                if (line.Contains(part, StringComparison.Ordinal)) return line;
        }
        catch (OperationCanceledException)
        {
            // Told below, with what was printed.
        }
        throw new TimeoutException($"no line with \"{part}\" in:\n{Text}");
    }
}

/// <summary>An AppHost in a process of its own, which a test may kill.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process process;

    public HostProcess(string folder, params string[] kinds)
    {
        // In a process group of its own, as a shell starts it: a signal to the group is what Ctrl+C in a terminal sends. Where the tests
        // themselves run in a shell's background SIGINT is ignored, which children inherit: env undoes that.
        process = Process.Start(new ProcessStartInfo("setsid", ["env", "--default-signal=INT", Dotnet.Path, TestProgram.Assembly, "host", folder, .. kinds])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        })!;
        process.OutputDataReceived += (_, e) => { if (e.Data is not null) Lines.Add(e.Data); };
        process.ErrorDataReceived += (_, e) => { if (e.Data is not null) Lines.Add(e.Data); };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Lines Lines { get; } = new();

    public int Pid => process.Id;

    public void Signal(int signal) => Procfs.Signal(process.Id, signal);

    /// <summary>To the process and all others of its group.</summary>
    public void SignalGroup(int signal) => Procfs.Signal(-process.Id, signal);

    public async Task<int> Exit()
    {
        await process.WaitForExitAsync().DefaultTimeout();
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
    }
}

internal static class TestProgram
{
    public static string Assembly { get; } = Path.Combine(AppContext.BaseDirectory, "Vigil.Aspire.TestProgram.dll");

    public static IResourceBuilder<ExecutableResource> AddTestProgram(this IDistributedApplicationBuilder builder, string name, params string[] args) =>
        builder.AddExecutable(name, Dotnet.Path, ".", [Assembly, .. args]);

    public static (IDistributedApplicationBuilder Builder, Lines Lines) Builder(TempFolder folder, params string[] args)
    {
        var lines = new Lines();
        var builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions { Args = args, ProjectDirectory = folder.Path });
        builder.Services.AddSingleton(new Terminal(new LineSink(lines.Add), live: false, colour: false, () => 100));
        return (builder, lines);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class LineSink(Action<string> line) : StringWriter
    {
        public override void Write(char value)
        {
            if (value != '\n')
            {
                base.Write(value);
                return;
            }
            line(GetStringBuilder().ToString());
            GetStringBuilder().Clear();
        }
    }
}
