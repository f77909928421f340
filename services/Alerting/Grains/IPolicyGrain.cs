using Orleans.Concurrency;

namespace Vigil.Alerting.Grains;

/// <summary>One policy and its alerts. The key is the policy's: file:group/alert[#n].</summary>
[Alias("vigil.alerting.policy")]
internal interface IPolicyGrain : IGrainWithStringKey
{
    /// <summary>
    /// Puts a definition in force; repeating it changes nothing. When its expression, clocks or labels differ from the ones in
    /// force, its alerts end, and its state starts again.
    /// </summary>
    /// <returns>True when the state started again.</returns>
    [Alias("Apply")]
    Task<bool> Apply(string definitionJson);

    /// <summary>Ends the policy. True once nothing is left to be told and its state is gone; until then repeat it.</summary>
    [Alias("Retire")]
    Task<bool> Retire(string reason);

    /// <summary>Takes what the watch on its expression reported.</summary>
    [Alias("Observe")]
    Task Observe(EvaluationMessage evaluation);

    /// <summary>A page was told, or given up, on all channels.</summary>
    [Alias("Settle")]
    Task Settle(string idempotencyKey);

    /// <summary>Where it stands; null when no definition is in force.</summary>
    [Alias("Read")]
    [ReadOnly]
    Task<PolicySnapshot?> Read();
}

/// <summary>All policies in force. There is one, with the key <see cref="Key"/>.</summary>
[Alias("vigil.alerting.catalog")]
internal interface IPolicyCatalogGrain : IGrainWithStringKey
{
    /// <summary>The only key.</summary>
    const string Key = "all";

    /// <summary>Replaces the whole set, in one write.</summary>
    [Alias("Replace")]
    Task<CatalogSnapshot> Replace(string[] definitionsJson);

    /// <summary>A policy that was removed has nothing left to tell.</summary>
    [Alias("Forget")]
    Task Forget(string[] retiredKeys);

    /// <summary>The set in force.</summary>
    [Alias("Read")]
    [ReadOnly]
    Task<CatalogSnapshot> Read();
}

/// <summary>
/// What changed lately, for those who watch. A live view with the newest 1,000 changes; the record is in the policies' states
/// and the delivery log. There is one, with the key <see cref="Key"/>.
/// </summary>
[Alias("vigil.alerting.feed")]
internal interface IAlertFeedGrain : IGrainWithStringKey
{
    /// <summary>The only key.</summary>
    const string Key = "all";

    /// <summary>Appends changes.</summary>
    [Alias("Publish")]
    Task Publish(FeedMessage[] changes);

    /// <summary>
    /// The changes after one; waits up to <paramref name="patience"/> for the first. A feed name that is not the present one
    /// counts as having seen nothing.
    /// </summary>
    [Alias("Next")]
    [AlwaysInterleave]
    Task<FeedPage> Next(string feed, long after, TimeSpan patience);
}
