using System.Data.Common;

namespace Vigil.ServiceDefaults;

/// <summary>
/// The service's database: a SQLite file of its own, or its own schema in a shared PostgreSQL database. Code written against
/// this runs on both; what differs in SQL is in <see cref="Dialect"/>.
/// </summary>
public interface IDatabase
{
    /// <summary>What differs between the two in SQL text.</summary>
    SqlDialect Dialect { get; }

    /// <summary>Where the data lies, for messages: a file path, or host/database/schema. Holds no password.</summary>
    string Location { get; }

    /// <summary>
    /// An open connection for reading, from a pool: dispose it soon. Writing through it is refused by the database; writes go
    /// through <see cref="WriteAsync{T}"/>.
    /// </summary>
    /// <exception cref="StorageException">The database cannot be opened; the message names where it is and which key says so.</exception>
    ValueTask<DbConnection> OpenAsync(CancellationToken ct = default);

    /// <summary>
    /// Runs <paramref name="work"/> in one write transaction and commits; when this returns, the change survives a crash of the
    /// process and of the machine (unless <c>Storage:Synchronous</c> is lowered). Rolled back when the work throws. With SQLite
    /// writers queue, one at a time, so that none ever fails as "locked"; with PostgreSQL they run side by side at READ
    /// COMMITTED. Keep the work short and do nothing else that waits in it.
    /// </summary>
    /// <param name="work">Gets the transaction; its <c>Connection</c> is the one to use.</param>
    /// <param name="ct">Gives up waiting for the turn, and cancels the work.</param>
    /// <exception cref="StorageException">The disk is full, the file is damaged, the server is gone.</exception>
    ValueTask<T> WriteAsync<T>(Func<DbTransaction, CancellationToken, ValueTask<T>> work, CancellationToken ct = default);

    /// <summary>
    /// As <see cref="WriteAsync{T}"/> for many rows often: statements stay prepared, and values are bound without being boxed or copied
    /// to arrays of their own.
    /// </summary>
    /// <param name="state">Given to <paramref name="write"/>, which so can be static and is made only once.</param>
    /// <param name="write">Gives the rows. What it binds must stay as it is until this method has returned.</param>
    /// <param name="ct">Gives up waiting for the turn.</param>
    /// <exception cref="StorageException">The disk is full, the file is damaged, the server is gone.</exception>
    ValueTask WriteRowsAsync<TState>(TState state, Action<IRowWriter, TState> write, CancellationToken ct = default);
}

/// <summary>
/// Runs statements with values. The SQL's parameters are <c>$1</c>, <c>$2</c> and so on, which appear in it in this order; both databases take
/// that. Values are bound in the same order.
/// </summary>
public interface IRowWriter
{
    /// <summary>Begins one run of a statement.</summary>
    /// <param name="sql">A constant of the program: it is kept, prepared, as long as the database is open.</param>
    IRowWriter Begin(string sql);

    /// <summary>Binds the next parameter.</summary>
    IRowWriter Bind(long value);

    /// <summary>Binds the next parameter.</summary>
    IRowWriter Bind(string value);

    /// <summary>Binds the next parameter.</summary>
    IRowWriter Bind(ReadOnlyMemory<byte> value);

    /// <summary>Runs the statement, now or together with those that follow in the same transaction.</summary>
    /// <exception cref="DbException">The database refuses the row. Where rows are sent together <see cref="IDatabase.WriteRowsAsync"/> throws it.</exception>
    void Run();
}

/// <summary>Shorthands over <see cref="IDatabase"/>.</summary>
public static class DatabaseExtensions
{
    /// <summary>As <see cref="IDatabase.WriteAsync{T}"/> for work without a result.</summary>
    public static async ValueTask WriteAsync(this IDatabase database, Func<DbTransaction, CancellationToken, ValueTask> work, CancellationToken ct = default) =>
        await database.WriteAsync<object?>(async (transaction, token) =>
        {
            await work(transaction, token).ConfigureAwait(false);
            return null;
        }, ct).ConfigureAwait(false);
}

/// <summary>The database cannot be used. The message names the place, the cause and the configuration key.</summary>
public sealed class StorageException : Exception
{
    /// <summary>With what the database itself said, where it said something.</summary>
    public StorageException(string message, Exception? cause = null) : base(message, cause) { }

    /// <summary>The cause in a few words that name no place, fit for callers: "the database cannot grow: the disk is full". Null where it is not known.</summary>
    public string? Brief { get; init; }
}
