using System.Data.Common;
using Dapper;
using Vigil.Alerting.Notify;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting.Storage;

/// <summary>The delivery log in the service's database. Rows of pages that were given up are the dead letters.</summary>
internal sealed class DeliveryLog(IDatabase database) : IDeliveryLog
{
    /// <summary>How long deliveries are kept.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(90);

    private static readonly string[] Keys = ["idempotency_key", "channel"];
    private static readonly string[] Values = ["policy", "alertname", "fingerprint", "status", "at_ms", "attempts", "delivered", "detail", "latency_s", "page"];

    public async Task<bool> IsSettledAsync(string idempotencyKey, string channel, CancellationToken ct)
    {
        var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            return await connection.ExecuteScalarAsync<long?>(new CommandDefinition(
                "SELECT 1 FROM alert_deliveries WHERE idempotency_key = @idempotencyKey AND channel = @channel", new { idempotencyKey, channel }, cancellationToken: ct)).ConfigureAwait(false) is not null;
        }
    }

    public async Task RecordAsync(Delivery delivery, CancellationToken ct)
    {
        var page = delivery.Page;
        var row = new
        {
            idempotency_key = page.IdempotencyKey,
            channel = delivery.Channel,
            policy = page.Policy,
            alertname = page.Alertname,
            fingerprint = page.Fingerprint,
            status = page.Status,
            at_ms = delivery.At.ToUnixTimeMilliseconds(),
            attempts = (long)delivery.Attempts,
            delivered = delivery.Delivered ? 1L : 0L,
            detail = delivery.Detail,
            latency_s = delivery.Latency.TotalSeconds,
            page = page.ToJson(),
        };
        var sql = database.Dialect.Upsert("alert_deliveries", Keys, Values);
        await WriteAsync(sql, row, ct).ConfigureAwait(false);
    }

    /// <summary>The newest deliveries.</summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="fingerprint">Only of this alert; null for all.</param>
    /// <param name="deadOnly">Only those that were given up.</param>
    /// <param name="ct">Cancels the reading.</param>
    public async Task<IReadOnlyList<Delivery>> ListAsync(int limit, string? fingerprint, bool deadOnly, CancellationToken ct)
    {
        var where = (deadOnly, fingerprint) switch
        {
            (true, _) => "WHERE delivered = 0",
            (_, not null) => "WHERE fingerprint = @fingerprint",
            _ => "",
        };
        return await ReadAsync($"SELECT channel, at_ms, attempts, delivered, detail, latency_s, page FROM alert_deliveries {where} ORDER BY at_ms DESC, id DESC LIMIT @limit",
            new { limit, fingerprint }, ct).ConfigureAwait(false);
    }

    /// <summary>A page that was given up; null when there is none of this key on this channel.</summary>
    public async Task<Delivery?> FindDeadAsync(string idempotencyKey, string channel, CancellationToken ct) =>
        (await ReadAsync("SELECT channel, at_ms, attempts, delivered, detail, latency_s, page FROM alert_deliveries WHERE idempotency_key = @idempotencyKey AND channel = @channel AND delivered = 0",
            new { idempotencyKey, channel }, ct).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>Forgets what is older than <see cref="Retention"/>.</summary>
    public Task PruneAsync(DateTimeOffset now, CancellationToken ct) =>
        WriteAsync("DELETE FROM alert_deliveries WHERE at_ms < @before", new { before = (now - Retention).ToUnixTimeMilliseconds() }, ct);

    private async Task<IReadOnlyList<Delivery>> ReadAsync(string sql, object parameters, CancellationToken ct)
    {
        var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            var rows = await connection.QueryAsync<Row>(new CommandDefinition(sql, parameters, cancellationToken: ct)).ConfigureAwait(false);
            return [.. rows.Select(r => new Delivery(Page.FromJson(r.page), r.channel, DateTimeOffset.FromUnixTimeMilliseconds(r.at_ms), (int)r.attempts,
                r.delivered != 0, r.detail, TimeSpan.FromSeconds(r.latency_s)))];
        }
    }

    private async Task WriteAsync(string sql, object parameters, CancellationToken ct) =>
        await database.WriteAsync(async (DbTransaction transaction, CancellationToken token) =>
        {
            await transaction.Connection!.ExecuteAsync(new CommandDefinition(sql, parameters, transaction, cancellationToken: token)).ConfigureAwait(false);
        }, ct).ConfigureAwait(false);

    /// <summary>Named as the columns are.</summary>
    private sealed record Row(string channel, long at_ms, long attempts, long delivered, string detail, double latency_s, string page);
}
