using System.Runtime.CompilerServices;

namespace Vigil.Testing;

/// <summary>Bounds on waiting, so that a test that hangs fails and says where.</summary>
public static class Waiting
{
    /// <summary>Long enough for a loaded two-core machine; a passing test never waits it out.</summary>
    public static readonly TimeSpan Default = TimeSpan.FromSeconds(30);

    public static async Task DefaultTimeout(this Task task, TimeSpan? timeout = null,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        try
        {
            await task.WaitAsync(timeout ?? Default).ConfigureAwait(false);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new TimeoutException($"{Path.GetFileName(file)}:{line} waited longer than {timeout ?? Default}");
        }
    }

    public static async Task<T> DefaultTimeout<T>(this Task<T> task, TimeSpan? timeout = null,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        await ((Task)task).DefaultTimeout(timeout, file, line).ConfigureAwait(false);
        return await task.ConfigureAwait(false);
    }

    public static Task DefaultTimeout(this ValueTask task, TimeSpan? timeout = null,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) => task.AsTask().DefaultTimeout(timeout, file, line);

    public static Task<T> DefaultTimeout<T>(this ValueTask<T> task, TimeSpan? timeout = null,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) => task.AsTask().DefaultTimeout(timeout, file, line);

    /// <summary>
    /// For what lives in another process and gives no signal: asks again every 20 ms until it holds. Inside one process use a
    /// signal instead.
    /// </summary>
    public static async Task Until(Func<Task<bool>> holds, string what, TimeSpan? timeout = null)
    {
        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();
        while (!await holds().ConfigureAwait(false))
        {
            if (clock.GetElapsedTime(start) > (timeout ?? Default)) throw new TimeoutException($"never came true: {what}");
            await Task.Delay(20).ConfigureAwait(false);
        }
    }
}
