using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Vigil.Testing;

/// <summary>
/// A throw-away PostgreSQL cluster in a folder of its own, on a free port, started once per test run and deleted at its end. Every
/// test makes its own database with <see cref="CreateDatabaseAsync"/>. Nothing here survives a power cut, which is what makes it quick.
/// </summary>
public sealed class PostgresServer : IDisposable
{
    private static readonly SemaphoreSlim Gate = new(1, 1);
    private static PostgresServer? shared;
    private static int databases;

    private readonly string folder;
    private readonly int port;
    private bool stopped;

    private PostgresServer(string folder, int port)
    {
        this.folder = folder;
        this.port = port;
    }

    /// <summary>The server of this test run; the first caller starts it.</summary>
    public static async Task<PostgresServer> SharedAsync()
    {
        await Gate.WaitAsync();
        try
        {
            if (shared is not null) return shared;
            shared = await StartAsync();
            AppDomain.CurrentDomain.ProcessExit += (_, _) => shared.Dispose();
            return shared;
        }
        finally
        {
            Gate.Release();
        }
    }

    /// <summary>A new, empty database on the shared server: its connection string, as Npgsql reads it.</summary>
    public static async Task<string> NewDatabaseAsync() => await (await SharedAsync()).CreateDatabaseAsync();

    /// <summary>A new, empty database: its connection string, as Npgsql reads it.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test{Interlocked.Increment(ref databases)}";
        await RunAsync("psql", "-h", folder, "-p", $"{port}", "-U", "postgres", "-d", "postgres", "-qc", $"CREATE DATABASE {name} TEMPLATE template0");
        return $"Host=127.0.0.1;Port={port};Username=postgres;Database={name};Maximum Pool Size=20;Include Error Detail=true";
    }

    public void Dispose()
    {
        if (stopped) return;
        stopped = true;
        try
        {
            using var stop = Process.Start(AsPostgres("pg_ctl", "stop", "-D", Path.Combine(folder, "data"), "-m", "immediate", "-w"))!;
            stop.WaitForExit(10_000);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<PostgresServer> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-pg-").FullName;
        var server = new PostgresServer(folder, FreePort());
        try
        {
            if (Environment.UserName == "root") await Checked(new ProcessStartInfo("chown", ["postgres", folder]));
            var data = Path.Combine(folder, "data");
            await server.RunAsync("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N");
            // The watcher ends the server when this process dies without disposing it, as when a test run is killed.
            var options = $"-p {server.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200";
            await server.RunAsync("pg_ctl", "start", "-D", data, "-w", "-t", "60", "-l", Path.Combine(folder, "log"), "-o", options);
            server.WatchParent(data);
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    private void WatchParent(string data)
    {
        var script = $"while kill -0 {Environment.ProcessId} 2>/dev/null; do sleep 1; done; [ -d '{data}' ] && {string.Join(' ', Command("pg_ctl"))} stop -D '{data}' -m immediate; rm -rf '{folder}'";
        using var watcher = Process.Start(Quiet(new ProcessStartInfo("setsid", ["sh", "-c", script])));
    }

    private Task RunAsync(string program, params string[] arguments) => Checked(AsPostgres(program, arguments));

    private ProcessStartInfo AsPostgres(string program, params string[] arguments)
    {
        var command = Command(program);
        return Quiet(new ProcessStartInfo(command[0], [.. command[1..], .. arguments]) { WorkingDirectory = folder });
    }

    // PostgreSQL refuses to run as root.
    private static string[] Command(string program) => Environment.UserName == "root"
        ? ["runuser", "-u", "postgres", "--", Needs.Require(program)]
        : [Needs.Require(program)];

    // Output is not read through a pipe: a server that inherits the pipe would keep it open.
    private static ProcessStartInfo Quiet(ProcessStartInfo start)
    {
        start.UseShellExecute = false;
        start.RedirectStandardInput = true;
        return start;
    }

    private static async Task Checked(ProcessStartInfo start)
    {
        var line = $"{start.FileName} {string.Join(' ', start.ArgumentList)}";
        var output = Path.GetTempFileName();
        try
        {
            var shell = new ProcessStartInfo("sh", ["-c", "out=$1; shift; exec \"$@\" >\"$out\" 2>&1 </dev/null", "sh", output, start.FileName, .. start.ArgumentList])
            {
                WorkingDirectory = start.WorkingDirectory,
            };
            using var process = Process.Start(shell)!;
            await process.WaitForExitAsync().DefaultTimeout(TimeSpan.FromMinutes(1));
            if (process.ExitCode != 0) throw new InvalidOperationException($"{line} ended with {process.ExitCode}: {await File.ReadAllTextAsync(output)}");
        }
        finally
        {
            File.Delete(output);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
