using System.Diagnostics;
using System.Diagnostics.Metrics;
using Dapper;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Whether the database takes writes: a row is written now and then, since a disk that is full and a file that was made read-only still answer every
/// question. Counted in <c>vigil.storage.heartbeats</c> by result.
/// </summary>
internal sealed class StorageHeartbeat : IDisposable
{
    /// <summary>How long a write that succeeded speaks for the next, however many ask.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>As <see cref="Interval"/> after a failure: who waits for recovery should see it soon.</summary>
    public static readonly TimeSpan FailureInterval = TimeSpan.FromSeconds(1);

    public const string Component = "heartbeat";

    /// <summary>
    /// What the row holds. It comes anew and the one before it goes, in this order, so that room for it must be found each time: a row
    /// that is overwritten in place would fit on a full disk for ever.
    /// </summary>
    private static readonly byte[] Room = new byte[16 << 10];

    public static readonly IReadOnlyList<Migration> Migrations =
    [
        new(1, "heartbeat", "CREATE TABLE heartbeat (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, room BLOB NOT NULL)",
            "CREATE TABLE heartbeat (id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, room BYTEA NOT NULL)"),
    ];

    private readonly IDatabase database;
    private readonly TimeProvider clock;
    private readonly Counter<long> heartbeats;
    private readonly SemaphoreSlim turn = new(1, 1);
    private long? at;
    private string? problem;
    private Exception? cause;

    public StorageHeartbeat(IDatabase database, TimeProvider clock, IMeterFactory meters)
    {
        this.database = database;
        this.clock = clock;
        heartbeats = meters.Create(ServiceDefaultsExtensions.MeterName).CreateCounter<long>("vigil.storage.heartbeats", "{write}", "Writes by which readiness finds out whether the database takes any, by result.");
    }

    /// <summary>What keeps the database from being written, in words that name no place, and its cause; null where nothing does.</summary>
    public async Task<(string Problem, Exception Cause)?> BeatAsync(CancellationToken ct)
    {
        await turn.WaitAsync(ct).ConfigureAwait(false);
        try
        {
            if (at is not { } last || clock.GetElapsedTime(last) >= (problem is null ? Interval : FailureInterval)) await WriteAsync(ct).ConfigureAwait(false);
            return problem is null ? null : (problem, cause!);
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    private async Task WriteAsync(CancellationToken ct)
    {
        try
        {
            var row = new { Id = Guid.NewGuid().ToString("N"), At = clock.GetUtcNow().ToUnixTimeMilliseconds(), Room };
            await database.WriteAsync(async (transaction, token) =>
            {
                await transaction.Connection!.ExecuteAsync(new CommandDefinition("INSERT INTO heartbeat (id, at_ms, room) VALUES (@Id, @At, @Room)", row, transaction, cancellationToken: token)).ConfigureAwait(false);
                await transaction.Connection!.ExecuteAsync(new CommandDefinition("DELETE FROM heartbeat WHERE id <> @Id", row, transaction, cancellationToken: token)).ConfigureAwait(false);
            }, ct).ConfigureAwait(false);
            (problem, cause) = (null, null);
            heartbeats.Add(1, new TagList { { "result", "written" } });
        }
        catch (Exception e) when (e is StorageException or System.Data.Common.DbException or ObjectDisposedException)
        {
            // The full message names paths; this one is shown to callers without a token.
            problem = (e as StorageException)?.Brief ?? "the database cannot be written";
            cause = e;
            heartbeats.Add(1, new TagList { { "result", "failed" } });
        }
        at = clock.GetTimestamp();
    }
}
