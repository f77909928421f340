using System.Data.Common;
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
    private readonly Channel<Pending> queue;
    private Task writer = Task.CompletedTask;

    public Journal(IDatabase database, IOptions<MetricsOptions> options, MetricsInstruments instruments, ILogger<Journal> log)
    {
        this.database = database;
        this.options = options.Value;
        this.instruments = instruments;
        this.log = log;
        queue = Channel.CreateBounded<Pending>(new BoundedChannelOptions(this.options.JournalQueueRows) { SingleReader = true });
    }

    /// <summary>Returns once the row survives a crash. Rows become durable in the order of the calls.</summary>
    /// <exception cref="JournalException">It was not stored, as far as is known.</exception>
    public async Task AppendAsync(JournalLine line, JournalRow row)
    {
        var pending = new Pending(line, row);
        // Written without awaiting where there is room, so that callers on one scheduler keep their order.
        if (!queue.Writer.TryWrite(pending))
        {
            try
            {
                await queue.Writer.WriteAsync(pending).ConfigureAwait(false);
            }
            catch (ChannelClosedException e)
            {
                throw new JournalException("the service is shutting down", e);
            }
        }
        await pending.Durable.Task.ConfigureAwait(false);
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
        await writer.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task WriteAsync()
    {
        var group = new List<Pending>();
        while (await queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            Gather(group);
            if (group.Count == 0) continue;
            var start = Stopwatch.GetTimestamp();
            try
            {
                await database.WriteAsync((transaction, ct) => InsertAsync(transaction, group, ct)).ConfigureAwait(false);
            }
            // Whatever it was: were this loop to end, every caller would wait for ever.
            catch (Exception e)
            {
                MetricsLog.JournalFailed(log, group.Count, e);
                instruments.JournalFailures.Add(1);
                var failure = new JournalException($"the journal could not be written: {e.Message}", e);
                foreach (var pending in group)
                {
                    pending.Line.IsBroken = true;
                    pending.Durable.SetException(failure);
                }
                continue;
            }
            finally
            {
                instruments.JournalCommit.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            instruments.JournalRows.Add(group.Count);
            foreach (var pending in group) pending.Durable.SetResult();
        }
    }

    private void Gather(List<Pending> group)
    {
        group.Clear();
        var bytes = 0;
        while (group.Count < options.JournalBatchRows && bytes < options.JournalBatchBytes && queue.Reader.TryRead(out var pending))
        {
            if (pending.Line.IsBroken)
            {
                pending.Durable.SetException(new JournalException("a row before it could not be written"));
                continue;
            }
            group.Add(pending);
            bytes += pending.Row.Data.Length;
        }
    }

    private static async ValueTask InsertAsync(DbTransaction transaction, List<Pending> group, CancellationToken ct)
    {
        const string Insert = "INSERT INTO metric_journal (grain, no, kind, stream, sequence, data) VALUES (@grain, @no, @kind, @stream, @sequence, @data)";
        var connection = transaction.Connection!;
        if (connection.CanCreateBatch)
        {
            // One round trip to a database server for the whole group.
            await using var batch = connection.CreateBatch();
            batch.Transaction = transaction;
            foreach (var pending in group)
            {
                var command = batch.CreateBatchCommand();
                command.CommandText = Insert;
                foreach (var (name, value) in Parameters(pending.Row))
                {
                    var parameter = command.CreateParameter();
                    (parameter.ParameterName, parameter.Value) = (name, value);
                    command.Parameters.Add(parameter);
                }
                batch.BatchCommands.Add(command);
            }
            await batch.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            return;
        }
        await using var single = new Statement(transaction, Insert);
        foreach (var pending in group)
        {
            foreach (var (name, value) in Parameters(pending.Row)) single.Set(name, value);
            await single.ExecuteAsync(ct).ConfigureAwait(false);
        }
    }

    private static (string Name, object Value)[] Parameters(JournalRow row) =>
    [
        ("@grain", row.Grain), ("@no", row.No), ("@kind", (long)row.Kind), ("@stream", row.Stream), ("@sequence", unchecked((long)row.Sequence)), ("@data", row.Data),
    ];

    private sealed class Pending(JournalLine line, JournalRow row)
    {
        public JournalLine Line { get; } = line;

        public JournalRow Row { get; } = row;

        public TaskCompletionSource Durable { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
