using Npgsql;

namespace Vigil.ServiceDefaults;

/// <summary>Gathers rows into a batch.</summary>
internal sealed class PostgresRows(NpgsqlBatch batch) : IRowWriter
{
    private NpgsqlBatchCommand? command;

    public IRowWriter Begin(string sql)
    {
        command = new NpgsqlBatchCommand(sql);
        return this;
    }

    public IRowWriter Bind(long value) => Add(value);

    public IRowWriter Bind(string value) => Add(value);

    public IRowWriter Bind(ReadOnlyMemory<byte> value) => Add(value);

    public void Run()
    {
        batch.BatchCommands.Add(command ?? throw new InvalidOperationException("no statement was begun"));
        command = null;
    }

    private PostgresRows Add<T>(T value)
    {
        (command ?? throw new InvalidOperationException("no statement was begun")).Parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
        return this;
    }
}
