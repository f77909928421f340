using System.Data.Common;

namespace Vigil.Metrics.Storage;

/// <summary>One SQL statement that is run many times with other values in the same parameters.</summary>
internal sealed class Statement : IAsyncDisposable
{
    private readonly DbCommand command;

    public Statement(DbTransaction transaction, string sql) : this(transaction.Connection!, sql) => command.Transaction = transaction;

    public Statement(DbConnection connection, string sql)
    {
        command = connection.CreateCommand();
        command.CommandText = sql;
    }

    /// <param name="name">As in the SQL, with the <c>@</c>: SQLite's library would make a new string to look for it, each time.</param>
    /// <param name="value">Anything the database takes.</param>
    public Statement Set(string name, object value)
    {
        if (command.Parameters.Contains(name))
        {
            command.Parameters[name].Value = value;
            return this;
        }
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value);
        command.Parameters.Add(parameter);
        return this;
    }

    public Task<int> ExecuteAsync(CancellationToken ct) => command.ExecuteNonQueryAsync(ct);

    /// <summary>The first value of the first row; <see cref="DBNull"/> where it is NULL.</summary>
    public Task<object?> ScalarAsync(CancellationToken ct) => command.ExecuteScalarAsync(ct);

    public Task<DbDataReader> ReadAsync(CancellationToken ct) => command.ExecuteReaderAsync(ct);

    public ValueTask DisposeAsync() => command.DisposeAsync();
}
