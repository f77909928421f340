using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Statements of the writer connection that stay prepared. Goes below Microsoft.Data.Sqlite, which takes whole arrays only, boxes numbers
/// and makes several objects each time a statement runs. Used by whoever has the writer's turn.
/// </summary>
internal sealed class SqliteRows(sqlite3 database) : IRowWriter, IDisposable
{
    private readonly Dictionary<string, sqlite3_stmt> prepared = new(StringComparer.Ordinal);
    private byte[] text = new byte[256];
    private sqlite3_stmt? statement;
    private int parameter;

    /// <summary>Writes rows in one transaction.</summary>
    /// <exception cref="SqliteException">As Microsoft.Data.Sqlite throws it; nothing is written.</exception>
    public void Write<TState>(TState state, Action<IRowWriter, TState> write)
    {
        // Takes the write lock at once; see SqliteDatabase.WriteAsync.
        Execute("BEGIN IMMEDIATE");
        try
        {
            write(this, state);
            Execute("COMMIT");
        }
        catch
        {
            // After some failures SQLite has rolled back itself. What fails here leaves the first failure to be told.
            if (raw.sqlite3_get_autocommit(database) == 0) Step(Prepare("ROLLBACK"));
            throw;
        }
    }

    public IRowWriter Begin(string sql)
    {
        statement = Prepare(sql);
        parameter = 0;
        return this;
    }

    public IRowWriter Bind(long value)
    {
        Check(raw.sqlite3_bind_int64(Begun, ++parameter, value));
        return this;
    }

    public IRowWriter Bind(string value)
    {
        // An empty span would be NULL.
        if (value.Length == 0)
        {
            Check(raw.sqlite3_bind_text(Begun, ++parameter, value));
            return this;
        }
        var most = Encoding.UTF8.GetMaxByteCount(value.Length);
        if (text.Length < most) text = new byte[most];
        Check(raw.sqlite3_bind_text(Begun, ++parameter, text.AsSpan(0, Encoding.UTF8.GetBytes(value, text))));
        return this;
    }

    public IRowWriter Bind(ReadOnlyMemory<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(Begun, ++parameter, 0) : raw.sqlite3_bind_blob(Begun, ++parameter, value.Span));
        return this;
    }

    public void Run()
    {
        var run = Begun;
        statement = null;
        var result = Step(run);
        // SQLite keeps its copies of what was bound until other values take their place.
        raw.sqlite3_clear_bindings(run);
        Check(result);
    }

    /// <summary>Before the connection is closed.</summary>
    public void Dispose()
    {
        foreach (var known in prepared.Values) known.Dispose();
        prepared.Clear();
    }

    private sqlite3_stmt Begun => statement ?? throw new InvalidOperationException("no statement was begun");

    private void Execute(string sql) => Check(Step(Prepare(sql)));

    private static int Step(sqlite3_stmt run)
    {
        int result;
        do result = raw.sqlite3_step(run);
        while (result == raw.SQLITE_ROW);
        // The same error again, where there was one.
        raw.sqlite3_reset(run);
        return result;
    }

    private sqlite3_stmt Prepare(string sql)
    {
        if (prepared.TryGetValue(sql, out var known)) return known;
        Check(raw.sqlite3_prepare_v3(database, sql, raw.SQLITE_PREPARE_PERSISTENT, out var made));
        prepared.Add(sql, made);
        return made;
    }

    private void Check(int result)
    {
        if (result is not (raw.SQLITE_OK or raw.SQLITE_DONE)) SqliteException.ThrowExceptionForRC(result, database);
    }
}
