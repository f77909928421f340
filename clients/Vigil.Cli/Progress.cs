using System.Globalization;
using Spectre.Console;

namespace Vigil.Cli;

/// <summary>A progress bar for anything that takes over a second, on standard error, so that standard output stays clean.</summary>
internal static class Progress
{
    /// <summary>Runs <paramref name="work"/>, which tells how far it is.</summary>
    /// <param name="what">What is going on, in a word.</param>
    /// <param name="total">Where it ends, in the unit that the work tells; null where that is not known: the bar then shows how much is done.</param>
    /// <param name="work">The work.</param>
    public static async Task ShowAsync(string what, long? total, Func<Action<long>, Task> work)
    {
        long done = 0;
        var running = work(n => Interlocked.Exchange(ref done, n));
        await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(1))).ConfigureAwait(false);
        if (!running.IsCompleted)
        {
            var columns = new List<ProgressColumn> { new TaskDescriptionColumn(), new ProgressBarColumn(), new SpinnerColumn() };
            if (total is not null) columns.InsertRange(2, [new PercentageColumn(), new RemainingTimeColumn()]);
            await Terminal.Error().Progress().AutoClear(true).Columns([.. columns]).StartAsync(async progress =>
            {
                var bar = progress.AddTask(what, maxValue: total ?? 1);
                bar.IsIndeterminate = total is null;
                while (await Task.WhenAny(running, Task.Delay(TimeSpan.FromMilliseconds(100))).ConfigureAwait(false) != running)
                {
                    if (total is not null) bar.Value = Interlocked.Read(ref done);
                    else bar.Description = string.Create(CultureInfo.InvariantCulture, $"{what} {Interlocked.Read(ref done):N0}");
                }
            }).ConfigureAwait(false);
        }
        await running.ConfigureAwait(false);
    }
}
