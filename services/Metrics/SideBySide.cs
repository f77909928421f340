using System.Runtime.ExceptionServices;

namespace Vigil.Metrics;

/// <summary>Spreads what takes long, and can be done one by one, over the processors.</summary>
internal static class SideBySide
{
    /// <summary>Less work than so many samples is done sooner than shared out.</summary>
    public const long Worthwhile = 200_000;

    /// <summary>Calls <paramref name="body"/> with every number below <paramref name="count"/>, in any order, and returns when all are done.</summary>
    /// <param name="count">How many.</param>
    /// <param name="samples">About how many samples are looked at in all.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="body">Is called by several threads at once, for different numbers.</param>
    public static void ForEach(int count, long samples, CancellationToken cancellation, Action<int> body)
    {
        if (samples < Worthwhile || count < 2 || Environment.ProcessorCount == 1)
        {
            for (var i = 0; i < count; i++) body(i);
            return;
        }
        try
        {
            // The thread that calls takes its share, and more than there is time for elsewhere. Not on a grain's scheduler, which has one thread.
            Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount, TaskScheduler = TaskScheduler.Default }, body);
        }
        catch (AggregateException e)
        {
            // As it would be without threads.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }
}
