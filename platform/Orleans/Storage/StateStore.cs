using Orleans.Runtime;

namespace Orleans.Storage;

internal readonly record struct StateKey(string ServiceId, string GrainType, string GrainKey, string StateName);

/// <summary>What a record holds; <see cref="Payload"/> is null once it was cleared.</summary>
internal readonly record struct StoredState(string? Payload, long Version);

/// <summary>A table of states in some database. Changes are made only to the version that the caller knows, null for none.</summary>
internal interface IStateStore
{
    ValueTask<StoredState?> ReadAsync(StateKey key, CancellationToken cancellationToken);

    /// <summary>The new version; null where the record has another version than <paramref name="expected"/>.</summary>
    ValueTask<long?> WriteAsync(StateKey key, string? payload, long? expected, CancellationToken cancellationToken);

    /// <summary>False where the record has another version than <paramref name="expected"/>.</summary>
    ValueTask<bool> DeleteAsync(StateKey key, long expected, CancellationToken cancellationToken);
}

/// <summary>The table, in SQL that SQLite and PostgreSQL both read.</summary>
internal static class StateSql
{
    public const string Create = """
        CREATE TABLE IF NOT EXISTS orleans_grain_state (
            service_id TEXT NOT NULL,
            grain_type TEXT NOT NULL,
            grain_key TEXT NOT NULL,
            state_name TEXT NOT NULL,
            version BIGINT NOT NULL,
            payload TEXT NULL,
            PRIMARY KEY (service_id, grain_type, grain_key, state_name))
        """;

    private const string Key = "service_id = @service AND grain_type = @type AND grain_key = @key AND state_name = @name";

    public const string Read = $"SELECT version, payload FROM orleans_grain_state WHERE {Key}";

    public const string Insert = "INSERT INTO orleans_grain_state (service_id, grain_type, grain_key, state_name, version, payload) VALUES (@service, @type, @key, @name, 1, @payload) ON CONFLICT DO NOTHING";

    public const string Update = $"UPDATE orleans_grain_state SET version = version + 1, payload = @payload WHERE {Key} AND version = @version";

    public const string Delete = $"DELETE FROM orleans_grain_state WHERE {Key} AND version = @version";
}

/// <summary>State behind ETags, in whichever store.</summary>
internal sealed class VersionedGrainStorage(IStateStore store, string serviceId, bool deleteOnClear) : IGrainStorage
{
    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ReadStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        WriteStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ClearStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var found = await store.ReadAsync(Key(stateName, grainId), cancellationToken).ConfigureAwait(false);
        grainState.State = found?.Payload is { } payload ? StateSerializer.Deserialize<T>(payload) : default;
        grainState.RecordExists = found?.Payload is not null;
        grainState.ETag = found is { } record ? Tag(record.Version) : null;
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        // Serialised before anything is awaited: the grain may go on changing it.
        var payload = StateSerializer.Serialize(grainState.State);
        var key = Key(stateName, grainId);
        var version = await store.WriteAsync(key, payload, Version(grainState.ETag), cancellationToken).ConfigureAwait(false)
            ?? throw await ConflictAsync(key, grainId, grainState.ETag).ConfigureAwait(false);
        grainState.ETag = Tag(version);
        grainState.RecordExists = true;
    }

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var key = Key(stateName, grainId);
        var expected = Version(grainState.ETag);
        if (expected is null)
        {
            if (await store.ReadAsync(key, cancellationToken).ConfigureAwait(false) is not null) throw await ConflictAsync(key, grainId, null).ConfigureAwait(false);
        }
        else if (deleteOnClear)
        {
            if (!await store.DeleteAsync(key, expected.Value, cancellationToken).ConfigureAwait(false)) throw await ConflictAsync(key, grainId, grainState.ETag).ConfigureAwait(false);
            grainState.ETag = null;
        }
        else
        {
            var version = await store.WriteAsync(key, null, expected, cancellationToken).ConfigureAwait(false)
                ?? throw await ConflictAsync(key, grainId, grainState.ETag).ConfigureAwait(false);
            grainState.ETag = Tag(version);
        }
        grainState.RecordExists = false;
        grainState.State = default;
    }

    private async Task<InconsistentStateException> ConflictAsync(StateKey key, GrainId grainId, string? presented)
    {
        var stored = (await store.ReadAsync(key, CancellationToken.None).ConfigureAwait(false))?.Version;
        var tag = stored is { } version ? Tag(version) : null;
        return new InconsistentStateException(
            $"State \"{key.StateName}\" of {grainId} was changed by someone else: the stored version is {tag ?? "none"}, the writer knew {presented ?? "none"}.", tag, presented);
    }

    private StateKey Key(string stateName, GrainId grainId) => new(serviceId, grainId.Type.ToString(), grainId.Key.ToString(), stateName);

    private static string Tag(long version) => version.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static long? Version(string? tag) => tag is null ? null : long.Parse(tag, System.Globalization.CultureInfo.InvariantCulture);
}
