using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// A call's deadline. Handler and timer race for the right to answer; whoever takes it under the call's gate first does, and the
/// other leaves the response alone.
/// </summary>
internal sealed class Deadline : IAsyncDisposable
{
    /// <summary>The longest wait a timer takes (about 49 days); a longer deadline is reached in several.</summary>
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(24);

    private readonly ServerCall call;
    private readonly TimeProvider time;
    private readonly DateTimeOffset due;
    private readonly TimeSpan timeout;
    private readonly CancellationTokenSource cancellation;
    private readonly ITimer timer;
    private bool completed;
    private Task answered = Task.CompletedTask;

    public Deadline(ServerCall call, TimeProvider time, TimeSpan timeout)
    {
        this.call = call;
        this.time = time;
        this.timeout = timeout;
        due = time.GetUtcNow() + timeout;
        cancellation = CancellationTokenSource.CreateLinkedTokenSource(call.Http.RequestAborted);
        timer = time.CreateTimer(static state => ((Deadline)state!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public DateTime Utc => due.UtcDateTime;

    public CancellationToken Token => cancellation.Token;

    /// <summary>Whether the deadline has passed before the call was answered.</summary>
    public bool Expired { get; private set; }

    /// <summary>Starts the clock; apart from the constructor, so that the call knows its deadline before it can fire.</summary>
    public void Arm() => timer.Change(Earlier(timeout), Timeout.InfiniteTimeSpan);

    /// <summary>Takes the right to answer for the handler; false where the deadline has it.</summary>
    public bool TryComplete()
    {
        lock (call.Gate)
        {
            if (Expired) return false;
            completed = true;
            return true;
        }
    }

    /// <summary>Completes once the deadline's own answer, if it gives one, is on its way.</summary>
    public Task AnsweredAsync()
    {
        lock (call.Gate) return answered;
    }

    public async ValueTask DisposeAsync()
    {
        await timer.DisposeAsync().ConfigureAwait(false);
        cancellation.Dispose();
    }

    private static TimeSpan Earlier(TimeSpan wait) => wait < LongestTimer ? wait : LongestTimer;

    private void Fire()
    {
        var left = due - time.GetUtcNow();
        if (left > TimeSpan.Zero)
        {
            timer.Change(Earlier(left), Timeout.InfiniteTimeSpan);
            return;
        }
        lock (call.Gate)
        {
            if (completed || Expired) return;
            Expired = true;
            answered = Task.Run(AnswerAsync);
        }
    }

    private async Task AnswerAsync()
    {
        GrpcServerLog.DeadlineExceeded(call.State.Logger, call.State.Method.FullName, timeout);
        try
        {
            await cancellation.CancelAsync().ConfigureAwait(false);
            // Behind data that a slow reader does not take, no status can pass: the stream is reset at once.
            if (!call.Flushing)
            {
                call.WriteStatus(new Status(StatusCode.DeadlineExceeded, "Deadline Exceeded"));
                await call.Http.Response.CompleteAsync().ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            // Nobody awaits this but the call's end, which must come all the same.
            GrpcServerLog.DeadlineAnswerFailed(call.State.Logger, call.State.Method.FullName, exception);
        }
        // A handler that waits for the caller's next message is woken, and the caller told to send no more.
        if (!call.Requests.Ended || call.Flushing) call.Reset();
    }
}
