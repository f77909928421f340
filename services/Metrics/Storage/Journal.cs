using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>A row could not be made durable: what it holds is not stored, and must not be acknowledged.</summary>
internal sealed class JournalException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>
/// The rows of one activation, which count on those before them. Once one could not be written none after it is: it would be found after a restart without its
/// predecessors, and the frames that those held would be taken for known when they are sent again.
/// </summary>
internal sealed class JournalLine
{
    /// <summary>A row is missing. Read and written by the journal's writer alone.</summary>
    public bool IsBroken { get; set; }
}

/// <summary>
/// Makes the rows of all grains of this process durable, in the order in which they are handed in, several in one transaction:
/// while one commit waits for the disk, the rows of the next one gather. So a lone row waits for one commit only, and a flood
/// costs one disk flush per group.
/// </summary>
internal sealed class Journal : IHostedService
{
    private readonly IDatabase database;
    private readonly MetricsOptions options;
    private readonly MetricsInstruments instruments;
    private readonly ILogger<Journal> log;
    private readonly Channel<JournalRow> queue;
    private Task writer = Task.CompletedTask;

    public Journal(IDatabase database, IOptions<MetricsOptions> options, MetricsInstruments instruments, ILogger<Journal> log)
    {
        this.database = database;
        this.options = options.Value;
        this.instruments = instruments;
        this.log = log;
        queue = Channel.CreateBounded<JournalRow>(new BoundedChannelOptions(this.options.JournalQueueRows) { SingleReader = true });
    }

    /// <summary>Returns once the row survives a crash. Rows become durable in the order of the calls.</summary>
    /// <exception cref="JournalException">It was not stored, as far as is known.</exception>
    public ValueTask AppendAsync(JournalLine line, JournalRow row)
    {
        row.Begin(line);
        // Written without awaiting where there is room, so that callers on one scheduler keep their order.
        return queue.Writer.TryWrite(row) ? row.Durable : AppendWhenThereIsRoomAsync(row);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        writer = Task.Run(WriteAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>Takes no more rows, writes those it has, and returns.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        queue.Writer.TryComplete();
        try
        {
            await writer.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Who sent what is still here has no acknowledgement, and sends it again.
            MetricsLog.JournalStoppedEarly(log, queue.Reader.Count);
        }
    }

    private async ValueTask AppendWhenThereIsRoomAsync(JournalRow row)
    {
        try
        {
            await queue.Writer.WriteAsync(row).ConfigureAwait(false);
        }
        catch (ChannelClosedException e)
        {
            throw new JournalException("the service is shutting down", e);
        }
        await row.Durable.ConfigureAwait(false);
    }

    private async Task WriteAsync()
    {
        var group = new List<JournalRow>();
        while (await queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            Gather(group);
            if (group.Count == 0) continue;
            var start = Stopwatch.GetTimestamp();
            try
            {
                await database.WriteRowsAsync(group, Insert).ConfigureAwait(false);
            }
            // Whatever it was: were this loop to end, every caller would wait for ever.
            catch (Exception e)
            {
                MetricsLog.JournalFailed(log, group.Count, e);
                instruments.JournalFailures.Add(1);
                var failure = new JournalException($"the journal could not be written: {e.Message}", e);
                foreach (var row in group)
                {
                    row.Line.IsBroken = true;
                    row.Fail(failure);
                }
                continue;
            }
            finally
            {
                instruments.JournalCommit.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            instruments.JournalRows.Add(group.Count);
            // From then on a row is its owner's.
            foreach (var row in group) row.Succeed();
        }
    }

    private void Gather(List<JournalRow> group)
    {
        group.Clear();
        var bytes = 0;
        while (group.Count < options.JournalBatchRows && bytes < options.JournalBatchBytes && queue.Reader.TryRead(out var row))
        {
            if (row.Line.IsBroken)
            {
                row.Fail(new JournalException("a row before it could not be written"));
                continue;
            }
            group.Add(row);
            bytes += row.Data.Length;
        }
    }

    private static void Insert(IRowWriter rows, List<JournalRow> group)
    {
        foreach (var row in group)
        {
            rows.Begin("INSERT INTO metric_journal (grain, no, kind, stream, sequence, data) VALUES ($1, $2, $3, $4, $5, $6)")
                .Bind(row.Grain).Bind(row.No).Bind((long)row.Kind).Bind(row.Stream).Bind(unchecked((long)row.Sequence)).Bind(row.Data)
                .Run();
        }
    }
}
