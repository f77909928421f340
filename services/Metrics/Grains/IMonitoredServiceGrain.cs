using Orleans;

namespace Vigil.Metrics.Grains;

/// <summary>
/// A monitored service, or one shard of it: its series and their rolling windows. The key is made by <see cref="GrainKeys"/>.
/// Whatever a call reported as stored is durable.
/// </summary>
[Alias("vigil.metrics.IMonitoredServiceGrain")]
internal interface IMonitoredServiceGrain : IGrainWithStringKey
{
    /// <summary>Makes series known and gives each its number in this grain, which stays with it for good.</summary>
    [Alias("Declare")]
    Task<DeclareReply> DeclareAsync(DeclareBatch batch);

    /// <summary>Stores samples of declared series. A batch of a push stream that was stored before is not stored again.</summary>
    [Alias("Append")]
    ValueTask<AppendReply> AppendAsync(AppendBatch batch);

    /// <summary>Reads windows of the series that selectors find, and may subscribe a standing query to them.</summary>
    [Alias("Select")]
    Task<SelectReply> SelectAsync(SelectRequest request);

    /// <summary>Which labels the series have that selectors find.</summary>
    [Alias("FindLabels")]
    Task<LabelReply> FindLabelsAsync(LabelRequest request);

    /// <summary>Tells a group of standing queries the samples of series from now on, and what there is of them. Has to be asked again before the lease ends.</summary>
    [Alias("Follow")]
    Task<FollowReply> FollowAsync(FollowRequest request);

    /// <summary>What is known about the service's own state.</summary>
    [Alias("GetStatus")]
    Task<ServiceStatus> GetStatusAsync();

    /// <summary>What the metrics mean that the service has, by what was declared: one entry for each that differs.</summary>
    [Alias("Describe")]
    Task<MetricDescription[]> DescribeAsync();

    /// <summary>Writes the state out and trims the journal now, rather than when the timer says.</summary>
    [Alias("Checkpoint")]
    Task CheckpointAsync();
}
