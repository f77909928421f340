using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Orleans.Storage;

/// <summary>The SQLite files of a host: storages and reminders in the same file share its one writer.</summary>
internal sealed class SqliteDatabases : IDisposable
{
    private readonly ConcurrentDictionary<string, SqliteDatabase> open = [];

    public SqliteDatabase Get(string connectionString) => open.GetOrAdd(connectionString, static connection => new SqliteDatabase(connection));

    public void Dispose()
    {
        foreach (var database in open.Values) database.Dispose();
    }
}

/// <summary>
/// One SQLite file. Writers take turns anyway, so there is one, and what many grains write while it waits for the disk goes into its next
/// transaction together: many writes for the price of one flush. A write is told to be done after its transaction is on disk
/// (<c>synchronous=FULL</c>). Reads have connections of their own, which write-ahead logging keeps out of the writer's way.
/// </summary>
internal sealed class SqliteDatabase(string connectionString) : IDisposable
{
    private const int LargestGroup = 4096;

    private readonly ConcurrentQueue<IWrite> queue = [];
    private readonly ConcurrentBag<Connection> readers = [];
    private readonly Lock writerGate = new();
    private readonly List<string> tables = [];
    private Connection? writer;
    private int writing;
    private volatile bool disposed;

    /// <summary>Has a table made, if it is missing, before anything else is done.</summary>
    public SqliteDatabase WithTable(string create)
    {
        lock (writerGate)
        {
            tables.Add(create);
            if (writer is not null) writer.Run(create);
        }
        return this;
    }

    public T Read<T>(string sql, Func<SqliteCommand, T> read)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        lock (writerGate) writer ??= OpenWriter();
        if (!readers.TryTake(out var connection)) connection = new Connection(connectionString);
        var result = connection.Use(sql, read);
        readers.Add(connection);
        return result;
    }

    /// <summary>Completes when the write is on disk.</summary>
    public Task<T> WriteAsync<T>(string sql, Func<SqliteCommand, T> write)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        var item = new Write<T>(sql, write);
        queue.Enqueue(item);
        if (Interlocked.CompareExchange(ref writing, 1, 0) == 0) ThreadPool.UnsafeQueueUserWorkItem(static database => database.Drain(), this, preferLocal: false);
        return item.Done;
    }

    public void Dispose()
    {
        disposed = true;
        lock (writerGate)
        {
            writer?.Dispose();
            writer = null;
        }
        while (readers.TryTake(out var reader)) reader.Dispose();
    }

    private void Drain()
    {
        var group = new List<IWrite>();
        do
        {
            while (true)
            {
                group.Clear();
                while (group.Count < LargestGroup && queue.TryDequeue(out var item)) group.Add(item);
                if (group.Count == 0) break;
                lock (writerGate) Commit(group);
            }
            Volatile.Write(ref writing, 0);
        }
        while (!queue.IsEmpty && Interlocked.CompareExchange(ref writing, 1, 0) == 0);
    }

    private void Commit(List<IWrite> group)
    {
        try
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Transact(group);
        }
        catch (Exception) when (group.Count > 1 && !disposed)
        {
            // One of them cannot be written. Each by itself, only that one fails.
            foreach (var item in group) Commit([item]);
            return;
        }
        catch (Exception e)
        {
            foreach (var item in group) item.Fail(e);
            return;
        }
        foreach (var item in group) item.Complete();
    }

    private void Transact(List<IWrite> group)
    {
        writer ??= OpenWriter();
        writer.Run("BEGIN IMMEDIATE");
        try
        {
            foreach (var item in group) item.Run(writer);
            writer.Run("COMMIT");
        }
        catch
        {
            // Some errors have ended the transaction already; a fresh connection has none in any case.
            writer.Dispose();
            writer = null;
            throw;
        }
    }

    private Connection OpenWriter()
    {
        var connection = new Connection(connectionString);
        connection.Run("PRAGMA journal_mode=WAL");
        connection.Run("PRAGMA synchronous=FULL");
        foreach (var table in tables) connection.Run(table);
        return connection;
    }

    private interface IWrite
    {
        void Run(Connection connection);

        void Complete();

        void Fail(Exception failure);
    }

    private sealed class Write<T>(string sql, Func<SqliteCommand, T> write) : IWrite
    {
        private readonly TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T result = default!;

        public Task<T> Done => done.Task;

        public void Run(Connection connection) => result = connection.Use(sql, write);

        public void Complete() => done.TrySetResult(result);

        public void Fail(Exception failure) => done.TrySetException(failure);
    }

    /// <summary>A connection that keeps its prepared statements.</summary>
    private sealed class Connection : IDisposable
    {
        private readonly Dictionary<string, SqliteCommand> commands = [];
        private readonly SqliteConnection connection;

        public Connection(string connectionString)
        {
            connection = new SqliteConnection(new SqliteConnectionStringBuilder(connectionString) { Pooling = false }.ToString());
            connection.Open();
            // Another process or connection may hold the file for a moment: SQLite itself waits for it, in ever longer steps.
            Run("PRAGMA busy_timeout=30000");
        }

        public void Run(string sql) => Use(sql, static command => command.ExecuteNonQuery());

        public T Use<T>(string sql, Func<SqliteCommand, T> use)
        {
            if (!commands.TryGetValue(sql, out var command))
            {
                command = connection.CreateCommand();
                command.CommandText = sql;
                commands.Add(sql, command);
            }
            command.Parameters.Clear();
            return use(command);
        }

        public void Dispose()
        {
            foreach (var command in commands.Values) command.Dispose();
            connection.Dispose();
        }
    }
}
