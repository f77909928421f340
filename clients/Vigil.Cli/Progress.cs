using System.Globalization;
using Spectre.Console;

namespace Vigil.Cli;

/// <summary>A sign of life for anything that takes over a second, on standard error, so that standard output stays clean.</summary>
internal static class Progress
{
    public static async Task ShowAsync(string what, Func<Action<long>, Task> work)
    {
        long done = 0;
        var running = work(n => Interlocked.Exchange(ref done, n));
        await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(1))).ConfigureAwait(false);
        if (!running.IsCompleted)
        {
            var console = Terminal.Error();
            await console.Status().StartAsync(what, async status =>
            {
                while (await Task.WhenAny(running, Task.Delay(TimeSpan.FromMilliseconds(100))).ConfigureAwait(false) != running)
                    status.Status(string.Create(CultureInfo.InvariantCulture, $"{what}: {Interlocked.Read(ref done):N0}"));
            }).ConfigureAwait(false);
        }
        await running.ConfigureAwait(false);
    }
}
