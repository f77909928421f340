using System.Diagnostics;

namespace Aspire.Hosting.Runtime;

/// <summary>How to start one process.</summary>
internal sealed record Launch(string FileName, IReadOnlyList<string> Arguments, string WorkingDirectory, IReadOnlyDictionary<string, string> Environment);

/// <summary>A started process, its output line by line, and its end.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Process process;
    private readonly Task output;

    private ChildProcess(Process process, Action<string, bool> line)
    {
        this.process = process;
        Pid = process.Id;
        output = Task.WhenAll(ReadAsync(process.StandardOutput, text => line(text, false)), ReadAsync(process.StandardError, text => line(text, true)));
        Exited = WaitAsync();
    }

    public int Pid { get; }

    /// <summary>The exit code, after the last line of output; 128 + n after signal n.</summary>
    public Task<int> Exited { get; }

    /// <exception cref="System.ComponentModel.Win32Exception">There is no such program, or it may not be run.</exception>
    public static ChildProcess Start(Launch launch, Action<string, bool> line)
    {
        // Ctrl+C reaches every process of the terminal's foreground group at once. In a session of its own a child hears only of what the AppHost tells it,
        // so that those who wait for others can stop before them. setsid replaces itself by the program: the process id is the program's.
        var (file, arguments) = Procfs.SessionStarter is { } setsid && Procfs.ProgramAt(launch.FileName) is { } program
            ? (setsid, [program, .. launch.Arguments])
            : (launch.FileName, launch.Arguments);
        var start = new ProcessStartInfo(file, arguments)
        {
            WorkingDirectory = launch.WorkingDirectory,
            // A pipe that stays open: a child must not read the terminal, nor take its end for a request to stop.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in launch.Environment) start.Environment[name] = value;
        return new ChildProcess(Process.Start(start)!, line);
    }

    /// <summary>Processor time used so far and memory held now (bytes); null once it has ended.</summary>
    public (TimeSpan Cpu, long Memory)? Usage()
    {
        try
        {
            process.Refresh();
            return process.HasExited ? null : (process.TotalProcessorTime, process.WorkingSet64);
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Asks it to stop (SIGTERM); after <paramref name="patience"/>, or when cancelled, kills it and all it started.</summary>
    /// <returns>Whether it stopped by itself.</returns>
    public async Task<bool> StopAsync(TimeSpan patience, TimeProvider clock, CancellationToken hurry)
    {
        if (Exited.IsCompleted) return true;
        if (Procfs.Signal(Pid, Procfs.SigTerm))
        {
            try
            {
                await Exited.WaitAsync(patience, clock, hurry).ConfigureAwait(false);
                return true;
            }
            catch (Exception e) when (e is TimeoutException or OperationCanceledException)
            {
                // It had its chance.
            }
        }
        Kill();
        await Exited.ConfigureAwait(false);
        return false;
    }

    public void Dispose() => process.Dispose();

    private void Kill()
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It ended meanwhile.
        }
        catch (AggregateException)
        {
            // Some of what it started belongs to someone else; the process itself is killed.
        }
    }

    private async Task<int> WaitAsync()
    {
        await process.WaitForExitAsync().ConfigureAwait(false);
        var code = process.ExitCode;
        // What it started may hold its output open for ever: its last lines are worth half a second, not more.
        await Task.WhenAny(output, Task.Delay(TimeSpan.FromMilliseconds(500))).ConfigureAwait(false);
        return code;
    }

    private static async Task ReadAsync(StreamReader reader, Action<string> line)
    {
        try
        {
            while (await reader.ReadLineAsync().ConfigureAwait(false) is { } text) line(text);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The pipe broke with the process: there are no more lines.
        }
    }
}
