using Vigil.Alerting.Grains;
using Vigil.Alerting.Policies;
using Vigil.Alerting.Watch;

namespace Vigil.Alerting.Api;

/// <summary>A policy in force, and where it stands.</summary>
internal sealed record PolicyReading(PolicyDefinition Policy, PolicySnapshot? Snapshot)
{
    public Sight Sight => (Sight)(Snapshot?.Sight ?? (int)Sight.Unknown);
}

/// <summary>Asks all policies in force where they stand.</summary>
internal sealed class PolicyReader(IGrainFactory grains, PolicyTable table)
{
    /// <summary>Grains asked at a time.</summary>
    private const int Batch = 256;

    /// <summary>By key.</summary>
    public async Task<IReadOnlyList<PolicyReading>> ReadAllAsync(CancellationToken ct)
    {
        var policies = table.Current.Values.OrderBy(p => p.Key, StringComparer.Ordinal).ToArray();
        var all = new List<PolicyReading>(policies.Length);
        foreach (var batch in policies.Chunk(Batch))
        {
            ct.ThrowIfCancellationRequested();
            all.AddRange(await Task.WhenAll(batch.Select(ReadAsync)).ConfigureAwait(false));
        }
        return all;
    }

    /// <summary>One policy; null when no policy in force has this key.</summary>
    public async Task<PolicyReading?> ReadAsync(string key) =>
        table.Current.TryGetValue(key, out var policy) ? await ReadAsync(policy).ConfigureAwait(false) : null;

    private async Task<PolicyReading> ReadAsync(PolicyDefinition policy)
    {
        var snapshot = await grains.GetGrain<IPolicyGrain>(policy.Key).Read().ConfigureAwait(false);
        // The grain's definition is the one its alerts were made by, even while another is being brought into force.
        return new PolicyReading(snapshot is null ? policy : PolicyDefinition.FromJson(snapshot.DefinitionJson), snapshot);
    }
}
