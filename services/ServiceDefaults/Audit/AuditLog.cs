using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;

namespace Vigil.ServiceDefaults;

internal sealed class AuditLog(IDatabase database, TimeProvider clock) : IAuditLog
{
    /// <summary>Bytes of detail, as JSON.</summary>
    public const int MaxDetail = 64 << 10;

    private const int VerifyBatch = 1000;
    private const string Columns = "sequence AS Sequence, at_ms AS AtMs, actor AS Actor, action AS Action, target AS Target, detail AS Detail, hash AS Hash";

    public async ValueTask<AuditRecord> RecordAsync(string actor, string action, string target, object? detail = null, CancellationToken ct = default)
    {
        var json = detail is null ? null : JsonSerializer.Serialize(detail, JsonSerializerOptions.Web);
        Check(actor, action, target, json);
        return await database.WriteAsync(async (transaction, token) =>
        {
            var connection = transaction.Connection!;
            // The chain has one end: on PostgreSQL, where writers run side by side, they take turns here.
            if (database.Dialect == SqlDialect.Postgres)
                await connection.ExecuteAsync("LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE", transaction: transaction).ConfigureAwait(false);
            var last = await connection.QueryFirstOrDefaultAsync<Row>(
                new CommandDefinition($"SELECT {Columns} FROM audit_log ORDER BY sequence DESC LIMIT 1", transaction: transaction, cancellationToken: token)).ConfigureAwait(false);
            var row = new Row { Sequence = (last?.Sequence ?? 0) + 1, AtMs = clock.GetUtcNow().ToUnixTimeMilliseconds(), Actor = actor, Action = action, Target = target, Detail = json };
            row.Hash = HashOf(row, last?.Hash ?? "");
            await connection.ExecuteAsync(
                new CommandDefinition("INSERT INTO audit_log (sequence, at_ms, actor, action, target, detail, hash) VALUES (@Sequence, @AtMs, @Actor, @Action, @Target, @Detail, @Hash)",
                    row, transaction, cancellationToken: token)).ConfigureAwait(false);
            return row.ToRecord();
        }, ct).ConfigureAwait(false);
    }

    public async ValueTask<AuditPage> QueryAsync(AuditQuery query, CancellationToken ct = default)
    {
        if (query.Limit is < 1 or > 1000) throw Refusal.Invalid("limit", $"{query.Limit} is not in 1 to 1000").ToException();
        var where = new StringBuilder();
        void And(bool given, string condition)
        {
            if (given) where.Append(where.Length == 0 ? " WHERE " : " AND ").Append(condition);
        }
        And(query.Actor is not null, "actor = @Actor");
        And(query.Action is not null, "action = @Action");
        And(query.Target is not null, "target = @Target");
        And(query.From is not null, "at_ms >= @From");
        And(query.Until is not null, "at_ms < @Until");
        And(query.Before is not null, "sequence < @Before");
        var parameters = new
        {
            query.Actor,
            query.Action,
            query.Target,
            From = query.From?.ToUnixTimeMilliseconds(),
            Until = query.Until?.ToUnixTimeMilliseconds(),
            query.Before,
            Take = query.Limit + 1,
        };
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        var rows = (await connection.QueryAsync<Row>(
            new CommandDefinition($"SELECT {Columns} FROM audit_log{where} ORDER BY sequence DESC LIMIT @Take", parameters, cancellationToken: ct)).ConfigureAwait(false)).ToArray();
        var page = rows.Take(query.Limit).Select(r => r.ToRecord()).ToArray();
        return new AuditPage(page, rows.Length > query.Limit ? page[^1].Sequence : null);
    }

    public async ValueTask<AuditVerification> VerifyAsync(AuditHead? expectedHead = null, CancellationToken ct = default)
    {
        var head = new AuditHead(0, "");
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        while (true)
        {
            var rows = (await connection.QueryAsync<Row>(new CommandDefinition(
                $"SELECT {Columns} FROM audit_log WHERE sequence > @Sequence ORDER BY sequence LIMIT {VerifyBatch}", new { head.Sequence }, cancellationToken: ct)).ConfigureAwait(false)).ToArray();
            foreach (var row in rows)
            {
                if (row.Sequence != head.Sequence + 1) return new(head, $"row {head.Sequence + 1} is missing");
                if (row.Hash != HashOf(row, head.Hash)) return new(head, $"row {row.Sequence} is not what was written, or the row before it");
                head = new AuditHead(row.Sequence, row.Hash);
                if (expectedHead?.Sequence == head.Sequence && expectedHead.Hash != head.Hash)
                    return new(head, $"row {row.Sequence} is not the one that was noted: the log was written anew");
            }
            if (rows.Length < VerifyBatch) break;
        }
        return expectedHead?.Sequence > head.Sequence
            ? new(head, $"rows {head.Sequence + 1} to {expectedHead.Sequence} are missing from the end")
            : new(head, null);
    }

    private static void Check(string actor, string action, string target, string? detail)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(actor);
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        if (actor.Length > 200) throw Refusal.Invalid("actor", $"{actor.Length} characters, at most 200").ToException();
        if (action.Length > 100) throw Refusal.Invalid("action", $"{action.Length} characters, at most 100").ToException();
        if (target.Length > 500) throw Refusal.Invalid("target", $"{target.Length} characters, at most 500").ToException();
        if (detail is not null && Encoding.UTF8.GetByteCount(detail) > MaxDetail)
            throw Refusal.Invalid("detail", $"{Encoding.UTF8.GetByteCount(detail)} bytes as JSON, at most {MaxDetail}").ToException();
        if ((actor + action + target).Contains('\0')) throw Refusal.Invalid("actor, action, target", "must not contain the character 0").ToException();
    }

    // Every field is preceded by its length, so that no two different rows give the same bytes.
    private static string HashOf(Row row, string previous)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var field in (ReadOnlySpan<string?>)
            [previous, row.Sequence.ToString(CultureInfo.InvariantCulture), row.AtMs.ToString(CultureInfo.InvariantCulture), row.Actor, row.Action, row.Target, row.Detail])
        {
            var bytes = field is null ? null : Encoding.UTF8.GetBytes(field);
            BinaryPrimitives.WriteInt32LittleEndian(length, bytes?.Length ?? -1);
            sha.AppendData(length);
            if (bytes is not null) sha.AppendData(bytes);
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }

    private sealed class Row
    {
        public long Sequence { get; init; }

        public long AtMs { get; init; }

        public string Actor { get; init; } = "";

        public string Action { get; init; } = "";

        public string Target { get; init; } = "";

        public string? Detail { get; init; }

        public string Hash { get; set; } = "";

        public AuditRecord ToRecord() => new(Sequence, DateTimeOffset.FromUnixTimeMilliseconds(AtMs), Actor, Action, Target, Detail, Hash);
    }
}
