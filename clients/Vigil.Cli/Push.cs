using Vigil.Client;
using Vigil.Metrics.V1;

namespace Vigil.Cli;

/// <summary>Why a push ended.</summary>
internal enum PushEnd { Durable, Interrupted, TimedOut }

/// <summary>One push: reads lines, records their samples, and waits until they are durable.</summary>
internal sealed class Push : IAsyncDisposable
{
    // As many as a server with its default settings lets be under way: more would only lie in memory here.
    private const int MostUnacknowledged = 32 * 8192;
    // Fewer than a server with its default settings takes of one stream, and some ten megabytes.
    private const int MostSeries = 65_536;
    private const int RefusalsKept = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly Func<MetricsPusher> open;
    private readonly TimeProvider time;
    private readonly TimeSpan patience;
    private readonly Lock gate = new();
    private readonly List<RefusedSamples> refusals = [];
    private readonly Dictionary<string, SeriesKind> kinds = [];
    private long refusalsLeftOut;
    private volatile Exception? lastFailure;
    private MetricsPusher pusher;
    private PusherStatistics before = new(0, 0, 0, 0, 0, 0);

    public Push(VigilClient client, IReadOnlyDictionary<string, string> labels, TimeSpan patience, TimeProvider time)
    {
        (this.patience, this.time) = (patience, time);
        open = () => client.OpenPusher(new MetricsPusherOptions { Labels = labels, MaxUnacknowledgedSamples = MostUnacknowledged, OnRefused = Keep, OnConnection = e => lastFailure = e });
        pusher = open();
    }

    /// <summary>What has been done so far, on all streams.</summary>
    public PusherStatistics Statistics
    {
        get { lock (gate) return Sum(before, pusher.Statistics); }
    }

    /// <summary>Series that are held at present.</summary>
    public int Series
    {
        get { lock (gate) return pusher.DeclaredSeries; }
    }

    /// <summary>Why there is no connection; null where there is one.</summary>
    public Exception? LastFailure => lastFailure;

    /// <summary>The first answers of the server about what it did not take.</summary>
    public IReadOnlyList<RefusedSamples> Refusals
    {
        get { lock (gate) return [.. refusals]; }
    }

    public long RefusalsLeftOut
    {
        get { lock (gate) return refusalsLeftOut; }
    }

    /// <param name="lines">What to push.</param>
    /// <param name="total">Its length, for a progress bar; null where it is not known.</param>
    /// <param name="showProgress">Whether to show a bar at all.</param>
    /// <param name="interrupted">Ctrl+C.</param>
    public async Task<PushEnd> RunAsync(LineReader lines, long? total, bool showProgress, CancellationToken interrupted)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
        var watching = WatchAsync(over);
        try
        {
            if (showProgress) await Progress.ShowAsync("pushing", total, tick => SendAsync(lines, total is not null, tick, over.Token)).ConfigureAwait(false);
            else await SendAsync(lines, total is not null, null, over.Token).ConfigureAwait(false);
            return PushEnd.Durable;
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // Acknowledgements may be on their way: what is told afterwards should be the last word.
            await pusher.DisposeAsync().ConfigureAwait(false);
            return interrupted.IsCancellationRequested ? PushEnd.Interrupted : PushEnd.TimedOut;
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await watching.ConfigureAwait(false);
        }
    }

    public ValueTask DisposeAsync() => pusher.DisposeAsync();

    private async Task SendAsync(LineReader lines, bool inCharacters, Action<long>? tick, CancellationToken cancellationToken)
    {
        var read = 0L;
        do
        {
            while (lines.TryNext() is { } line)
            {
                // About the bytes of the file: exact where the text is ASCII with plain line ends.
                read += inCharacters ? line.Length + 1 : 1;
                Record(line, lines.Number);
                if (lines.Number % 10_000 != 0) continue;
                if (pusher.DeclaredSeries >= MostSeries) await RenewAsync(cancellationToken).ConfigureAwait(false);
                else await pusher.FlushAsync(cancellationToken).ConfigureAwait(false);
                tick?.Invoke(read);
            }
        } while (await MoreAsync(lines, cancellationToken).ConfigureAwait(false));
        await pusher.FlushDurableAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Goes on with a stream of its own, which knows no series yet, once the one before has nothing left to say.</summary>
    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        await pusher.FlushDurableAsync(cancellationToken).ConfigureAwait(false);
        await pusher.DisposeAsync().ConfigureAwait(false);
        lock (gate)
        {
            before = Sum(before, pusher.Statistics);
            pusher = open();
        }
    }

    private static PusherStatistics Sum(PusherStatistics a, PusherStatistics b) => new(
        a.Recorded + b.Recorded, a.Accepted + b.Accepted, a.Refused + b.Refused, a.Duplicate + b.Duplicate, a.Unacknowledged + b.Unacknowledged, a.Reconnects + b.Reconnects, a.Resent + b.Resent);

    private async Task<bool> MoreAsync(LineReader lines, CancellationToken cancellationToken)
    {
        var more = lines.FillAsync();
        // Whoever writes the lines pauses: what is there must not wait for a frame to fill.
        if (!more.IsCompleted && await Task.WhenAny(more, Task.Delay(Pause, time, cancellationToken)).ConfigureAwait(false) != more)
            await pusher.FlushAsync(cancellationToken).ConfigureAwait(false);
        return await more.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Record(string line, long number)
    {
        if (TextFormat.TypeLine(line) is { } type) kinds[type.Name] = type.Kind;
        if (TextFormat.Parse(line) is not { } sample)
        {
            if (TextFormat.IsComment(line)) return;
            throw new CliException(ExitCode.Usage, $"line {number}: '{(line.Length > 200 ? line[..200] + "..." : line)}' is not 'name{{label=\"value\"}} value [unix-ms]'");
        }
        var kind = kinds.GetValueOrDefault(sample.Name, sample.Name.EndsWith("_total", StringComparison.Ordinal) ? SeriesKind.Counter : SeriesKind.Gauge);
        pusher.Record(pusher.Declare(sample.Name, sample.Labels, kind), sample.Value, sample.At);
    }

    /// <summary>Ends the push when samples wait and no acknowledgement came for as long as patience lasts.</summary>
    private async Task WatchAsync(CancellationTokenSource over)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100), time);
        var (answered, since) = (0L, time.GetTimestamp());
        try
        {
            while (await timer.WaitForNextTickAsync(over.Token).ConfigureAwait(false))
            {
                var now = Statistics;
                var count = now.Accepted + now.Refused + now.Duplicate;
                if (now.Unacknowledged == 0 || count != answered) (answered, since) = (count, time.GetTimestamp());
                else if (time.GetElapsedTime(since) >= patience) await over.CancelAsync().ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The push is over.
        }
    }

    private void Keep(RefusedSamples refusal)
    {
        lock (gate)
        {
            if (refusals.Count < RefusalsKept) refusals.Add(refusal);
            else refusalsLeftOut++;
        }
    }
}
