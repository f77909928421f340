using Orleans;

namespace Vigil.Metrics.Grains;

/// <summary>Knows every service grain that ever held a series. There is one, with the key <see cref="Key"/>.</summary>
[Alias("vigil.metrics.IServiceIndexGrain")]
internal interface IServiceIndexGrain : IGrainWithStringKey
{
    /// <summary>The key of the only one.</summary>
    const string Key = "index";

    /// <summary>Adds a grain, durably. False where the limit is reached.</summary>
    [Alias("Register")]
    Task<bool> RegisterAsync(string grain);

    /// <summary>The grains, where there are more than <paramref name="known"/>; null where the caller's list still holds.</summary>
    /// <param name="known">How many the caller knows. Grains are only ever added.</param>
    /// <param name="subscriber">Key of a standing query to tell of new grains for the next minute, or null.</param>
    [Alias("List")]
    Task<GrainList?> ListAsync(int known, string? subscriber);

    /// <summary>The same for a group of standing queries, which is told of new grains for the next minute.</summary>
    /// <param name="known">How many it knows.</param>
    /// <param name="group">Key of the <see cref="IStandingGroupGrain"/>.</param>
    [Alias("ListForGroup")]
    Task<GrainList?> ListForGroupAsync(int known, string group);
}

/// <summary>Grains and their services.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.GrainList")]
internal sealed record GrainList
{
    /// <summary>Keys of <see cref="IMonitoredServiceGrain"/>.</summary>
    [Id(0)] public required string[] Grains { get; init; }

    /// <summary>The service of each.</summary>
    [Id(1)] public required string[] Services { get; init; }
}
