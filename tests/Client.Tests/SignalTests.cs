using System.Diagnostics;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

/// <summary>vigil as a process that is told to end.</summary>
public sealed class SignalTests
{
    private const int SigInt = 2;
    private const int SigTerm = 15;

    [Theory]
    [InlineData(SigInt, 130)]
    [InlineData(SigTerm, 143)]
    public async Task Push_OfWhichEverythingIsStored_SaysSoAndEndsWithTheSignalsCode(int signal, int expected)
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var push = Start(server);
        await push.StandardInput.WriteAsync("a 1 1000\nb 2 1000\n");
        await push.StandardInput.FlushAsync();
        // The input pauses: what is there is sent.
        await Waiting.Until(() => Task.FromResult(server.Ingest.Stored.Values.Sum(f => f.Length) == 2), "both samples are stored");
        Send(signal, push);
        var (output, errors) = (push.StandardOutput.ReadToEndAsync(), push.StandardError.ReadToEndAsync());
        await push.WaitForExitAsync().DefaultTimeout();
        Assert.Equal("vigil: interrupted: all 2 samples read so far are acknowledged\n", await errors.DefaultTimeout());
        Assert.Equal("2 accepted, 0 refused, 0 known already\n", await output.DefaultTimeout());
        Assert.Equal(expected, push.ExitCode);
    }

    [Theory]
    [InlineData(SigInt, 130)]
    [InlineData(SigTerm, 143)]
    public async Task Push_OfWhichNothingIsAcknowledged_SaysHowManyAreOpenAndEndsWithTheSignalsCode(int signal, int expected)
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.AckAfterSignal });
        using var push = Start(server);
        await push.StandardInput.WriteAsync("a 1 1000\n");
        await push.StandardInput.FlushAsync();
        await Waiting.Until(() => Task.FromResult(!server.Ingest.Received.IsEmpty), "the frame is sent");
        Send(signal, push);
        var errors = push.StandardError.ReadToEndAsync();
        await push.WaitForExitAsync().DefaultTimeout();
        Assert.StartsWith("vigil: interrupted: 1 of 1 samples read so far were not acknowledged", await errors.DefaultTimeout(), StringComparison.Ordinal);
        Assert.Equal(expected, push.ExitCode);
    }

    private static Process Start(FakeIngestServer server)
    {
        var dotnet = Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";
        // What a shell starts in the background, as a CI may be, ignores SIGINT, and so would what it starts.
        var start = new ProcessStartInfo("env")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Where it was built with all that it needs by itself.
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var vigil = Path.Combine(own.Parent!.Parent!.FullName, "Vigil.Cli", own.Name, "vigil.dll");
        foreach (var argument in new[] { "--default-signal=INT", dotnet, vigil, "push", "--metrics", server.Address.ToString() }) start.ArgumentList.Add(argument);
        start.Environment["NO_COLOR"] = "1";
        return new KilledProcess(start);
    }

    private static void Send(int signal, Process process)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Does not outlive its test.</summary>
    private sealed class KilledProcess : Process
    {
        public KilledProcess(ProcessStartInfo start)
        {
            StartInfo = start;
            Start();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !HasExited) Kill(entireProcessTree: true);
            base.Dispose(disposing);
        }
    }
}
