using Orleans.Runtime;
using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Grains;

/// <summary>What is stored of the set in force.</summary>
[GenerateSerializer, Alias("vigil.alerting.catalog-state")]
internal sealed class CatalogState
{
    [Id(0)]
    public string[] DefinitionsJson { get; set; } = [];

    /// <summary>Keys of policies that were removed and may have pages left to tell.</summary>
    [Id(1)]
    public string[] Retired { get; set; } = [];

    [Id(2)]
    public long AppliedAtTicks { get; set; }
}

/// <summary>Keeps the set in force, so that a bad file after a restart changes nothing, and removed policies are ended properly.</summary>
internal sealed class PolicyCatalogGrain([PersistentState("catalog", "state")] IPersistentState<CatalogState> stored, TimeProvider clock) : Grain, IPolicyCatalogGrain
{
    public async Task<CatalogSnapshot> Replace(string[] definitionsJson)
    {
        var state = stored.State;
        if (!state.DefinitionsJson.SequenceEqual(definitionsJson))
        {
            var now = definitionsJson.Select(Key).ToHashSet(StringComparer.Ordinal);
            stored.State = new CatalogState
            {
                DefinitionsJson = definitionsJson,
                Retired = [.. state.Retired.Concat(state.DefinitionsJson.Select(Key)).Where(k => !now.Contains(k)).Distinct()],
                AppliedAtTicks = clock.GetUtcNow().UtcTicks,
            };
            await WriteOrRevertAsync(state);
        }
        return Snapshot();
    }

    public async Task Forget(string[] retiredKeys)
    {
        var state = stored.State;
        stored.State = new CatalogState
        {
            DefinitionsJson = state.DefinitionsJson,
            Retired = [.. state.Retired.Except(retiredKeys)],
            AppliedAtTicks = state.AppliedAtTicks,
        };
        await WriteOrRevertAsync(state);
    }

    public Task<CatalogSnapshot> Read() => Task.FromResult(Snapshot());

    private async Task WriteOrRevertAsync(CatalogState before)
    {
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            stored.State = before;
            throw;
        }
    }

    private CatalogSnapshot Snapshot() => new(stored.State.DefinitionsJson, stored.State.Retired, new DateTimeOffset(stored.State.AppliedAtTicks, TimeSpan.Zero));

    private static string Key(string json) => PolicyDefinition.FromJson(json).Key;
}
