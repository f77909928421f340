using System.Runtime.InteropServices;

namespace Vigil.Cli;

/// <summary>
/// Ctrl+C and SIGTERM: both ask the command to end, which still says what it has done, and show in its exit code as shells have it. Once more, and the
/// process ends at once.
/// </summary>
internal sealed class Termination : IDisposable
{
    private readonly CancellationTokenSource asked = new();
    private readonly TaskCompletionSource overdue = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] registrations;
    private readonly TimeSpan patience;
    private readonly TimeProvider time;
    private int code;

    /// <param name="patience">How long the command has.</param>
    /// <param name="time">The clock of that.</param>
    public Termination(TimeSpan patience, TimeProvider time)
    {
        (this.patience, this.time) = (patience, time);
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask)];
    }

    /// <summary>Runs a command. Its exit code, and that of the signal where that ended it.</summary>
    public async Task<int> RunAsync(Func<CancellationToken, Task<int>> command)
    {
        var running = command(asked.Token);
        if (await Task.WhenAny(running, overdue.Task).ConfigureAwait(false) != running) return code;
        var ended = await running.ConfigureAwait(false);
        return ended == ExitCode.Interrupted && Volatile.Read(ref code) is not 0 and var signalled ? signalled : ended;
    }

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        asked.Dispose();
    }

    private void Ask(PosixSignalContext signal)
    {
        if (Interlocked.CompareExchange(ref code, signal.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted, 0) != 0) return;
        signal.Cancel = true;
        _ = GiveUpAsync();
        asked.Cancel();
    }

    private async Task GiveUpAsync()
    {
        await Task.Delay(patience, time).ConfigureAwait(false);
        overdue.TrySetResult();
    }
}
