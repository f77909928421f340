using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Vigil.ServiceDefaults;

/// <summary>
/// One SQLite file. Reads use pooled read-only connections and never wait for the writer (WAL). Writes queue for one connection:
/// SQLite allows one writer, and a queue in the process is fair and never ends in "database is locked".
/// </summary>
internal sealed class SqliteDatabase : IDatabase, IAsyncDisposable
{
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CantOpen = 14;
    private const int NotADatabase = 26;

    private readonly StorageOptions options;
    private readonly string readerString;
    private readonly string writerString;
    private readonly SemaphoreSlim turn = new(1, 1);
    private FileStream? processLock;
    private SqliteConnection? writer;
    private SqliteRows? rows;
    private bool disposed;

    static SqliteDatabase() => SQLitePCL.Batteries_V2.Init();

    public SqliteDatabase(string name, StorageOptions options)
    {
        this.options = options;
        Location = Path.GetFullPath(Path.Combine(options.Directory, name + ".db"));
        var common = new SqliteConnectionStringBuilder
        {
            DataSource = Location,
            ForeignKeys = true,
            // Seconds; governs the retries of Microsoft.Data.Sqlite, which wrap SQLite's own busy handler.
            DefaultTimeout = Math.Max(1, (int)Math.Ceiling(options.BusyTimeout.TotalSeconds)),
        };
        common.Mode = SqliteOpenMode.ReadOnly;
        readerString = common.ConnectionString;
        common.Mode = SqliteOpenMode.ReadWriteCreate;
        common.Pooling = false;
        writerString = common.ConnectionString;
    }

    public SqlDialect Dialect => SqlDialect.Sqlite;

    public string Location { get; }

    public async ValueTask<DbConnection> OpenAsync(CancellationToken ct = default)
    {
        if (writer is null)
        {
            // The file, and WAL mode, come into being with the writer.
            await turn.WaitAsync(ct).ConfigureAwait(false);
            try { EnsureWriter(); }
            finally { turn.Release(); }
        }
        var connection = new SqliteConnection(readerString);
        try
        {
            connection.Open();
            return connection;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw Explain(e);
        }
    }

    public async ValueTask<T> WriteAsync<T>(Func<DbTransaction, CancellationToken, ValueTask<T>> work, CancellationToken ct = default)
    {
        await turn.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var connection = EnsureWriter();
            // Not deferred: BEGIN IMMEDIATE takes the write lock at once, so that a transaction which reads first cannot fail later.
            using var transaction = connection.BeginTransaction(deferred: false);
            var result = await work(transaction, ct).ConfigureAwait(false);
            transaction.Commit();
            return result;
        }
        catch (SqliteException e) when (IsOurs(e))
        {
            if (IsFatal(e)) CloseConnections();
            throw Explain(e);
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask WriteRowsAsync<TState>(TState state, Action<IRowWriter, TState> write, CancellationToken ct = default)
    {
        await turn.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            var connection = EnsureWriter();
            rows ??= new SqliteRows(connection.Handle!);
            rows.Write(state, write);
        }
        catch (SqliteException e) when (IsOurs(e))
        {
            if (IsFatal(e)) CloseConnections();
            throw Explain(e);
        }
        finally
        {
            turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (disposed) return;
            disposed = true;
            CloseConnections();
            processLock?.Dispose();
        }
        finally
        {
            turn.Release();
        }
    }

    // Under the turn. The lock on the file stays.
    private void CloseConnections()
    {
        using (var pooled = new SqliteConnection(readerString)) SqliteConnection.ClearPool(pooled);
        rows?.Dispose();
        rows = null;
        writer?.Dispose();
        writer = null;
    }

    private SqliteConnection EnsureWriter()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (writer is not null) return writer;
        PrepareFile();
        var connection = new SqliteConnection(writerString);
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = $"""
                PRAGMA busy_timeout = {(long)options.BusyTimeout.TotalMilliseconds};
                PRAGMA auto_vacuum = INCREMENTAL;
                PRAGMA journal_mode = WAL;
                PRAGMA synchronous = {options.Synchronous};
                PRAGMA wal_autocheckpoint = 4000;
                """;
            command.ExecuteNonQuery();
            // A damaged header shows only when something is read.
            command.CommandText = "SELECT count(*) FROM sqlite_schema";
            command.ExecuteScalar();
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            processLock?.Dispose();
            processLock = null;
            throw Explain(e);
        }
        return writer = connection;
    }

    private void PrepareFile()
    {
        var folder = Path.GetDirectoryName(Location)!;
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            processLock ??= LockForThisProcess();
            var ownerOnly = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite };
            if (!OperatingSystem.IsWindows()) ownerOnly.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            new FileStream(Location, ownerOnly).Dispose();
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            processLock?.Dispose();
            processLock = null;
            throw new StorageException($"cannot write the database file {Location}: {e.Message} The folder comes from Storage:Directory ('{options.Directory}').", e);
        }
    }

    // Two processes of one service on one file would each believe to be the only owner of its state, e.g. page twice.
    private FileStream LockForThisProcess()
    {
        var path = Location + ".lock";
        var open = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) open.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            return new FileStream(path, open);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            throw new StorageException($"the database file {Location} is in use by another process (its lock file is {path}). Stop that process, or give this one a folder of its own by Storage:Directory (now '{options.Directory}').", e);
        }
    }

    // A failed constraint or bad SQL is the caller's to handle; what is said about the file itself is explained.
    private static bool IsOurs(SqliteException e) => e.SqliteErrorCode is Busy or Locked or ReadOnly or Corrupt or Full or CantOpen or NotADatabase or InputOutput;

    // What a connection has open and remembers of the file may be wrong from now on: after the file was replaced by a backup, or its disk came
    // back, only a new connection finds it sound. The others pass by themselves.
    private static bool IsFatal(SqliteException e) => e.SqliteErrorCode is ReadOnly or Corrupt or CantOpen or NotADatabase or InputOutput;

    private StorageException Explain(SqliteException e)
    {
        var cause = e.SqliteErrorCode switch
        {
            Busy or Locked => $"is locked by another program, waited {options.BusyTimeout.TotalSeconds:0.#} s (Storage:BusyTimeout)",
            ReadOnly => "cannot be written: check its owner and mode",
            Corrupt or NotADatabase => "is damaged or no SQLite database: move it away and restore a backup",
            Full => "cannot grow: the disk is full",
            CantOpen => "cannot be opened: check that it exists and its owner and mode",
            _ => "cannot be used",
        };
        return new StorageException($"the database file {Location} {cause}. The folder comes from Storage:Directory ('{options.Directory}'). SQLite says: {e.Message}", e) { Brief = $"the database {cause}" };
    }
}
