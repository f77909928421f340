using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>Where a declared series lives, or why it is not taken.</summary>
/// <param name="Grain">Key of its grain.</param>
/// <param name="Id">Its number there; 0 where it is refused.</param>
/// <param name="LimitHit">Why, where it is refused.</param>
internal readonly record struct RoutedSeries(string Grain, int Id, string? LimitHit);

/// <summary>Finds the grains of series and declares them there. What both ways in, Push and OTLP, share.</summary>
internal sealed class SeriesRouter(IGrainFactory grains, IOptions<MetricsOptions> options)
{
    /// <summary>Declares series in their grains, all grains at once. One result per series.</summary>
    /// <exception cref="RefusalException">A grain cannot be reached for the moment.</exception>
    public async Task<RoutedSeries[]> DeclareAsync(IReadOnlyList<SeriesSpec> series)
    {
        var routed = new RoutedSeries[series.Count];
        var byGrain = Enumerable.Range(0, series.Count).GroupBy(i => GrainKeys.For(series[i].Labels, options.Value.ShardsPerService), StringComparer.Ordinal);
        await Task.WhenAll(byGrain.Select(async group =>
        {
            var indexes = group.ToArray();
            var reply = await CallAsync(Grain(group.Key).DeclareAsync(new DeclareBatch { Series = [.. indexes.Select(i => series[i])] })).ConfigureAwait(false);
            for (var i = 0; i < indexes.Length; i++) routed[indexes[i]] = new RoutedSeries(group.Key, reply.Ids[i], reply.Ids[i] == 0 ? reply.LimitHit : null);
        })).ConfigureAwait(false);
        return routed;
    }

    /// <summary>The grain with this key.</summary>
    public IMonitoredServiceGrain Grain(string key) => grains.GetGrain<IMonitoredServiceGrain>(key);

    /// <summary>Stores a batch.</summary>
    /// <exception cref="RefusalException">The grain cannot be reached, the stream must be resumed, or there are too many streams.</exception>
    public async Task<AppendReply> AppendAsync(string grain, AppendBatch batch) => await StoredAsync(grain, batch, Grain(grain).AppendAsync(batch)).ConfigureAwait(false);

    /// <summary>Waits until a batch is stored.</summary>
    /// <param name="grain">Key of the grain.</param>
    /// <param name="batch">What was sent there.</param>
    /// <param name="stored">What sending it returned.</param>
    /// <exception cref="RefusalException">As <see cref="AppendAsync"/>.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<AppendReply> StoredAsync(string grain, AppendBatch batch, ValueTask<AppendReply> stored)
    {
        AppendReply reply;
        try
        {
            reply = await stored.ConfigureAwait(false);
        }
        catch (Exception e) when (IsPassing(e))
        {
            throw NotStored(e);
        }
        return reply.Status switch
        {
            AppendStatus.PredecessorMissing => throw new RefusalException(RefusalKind.Unavailable,
                $"frame {batch.Sequence} reached service \"{GrainKeys.ServiceOf(grain)}\" without frame {batch.Previous} before it: open the stream again and resend what is not acknowledged"),
            AppendStatus.TooManyStreams => throw new RefusalException(RefusalKind.ResourceExhausted,
                $"service \"{GrainKeys.ServiceOf(grain)}\" remembers {options.Value.MaxStreamsRemembered} streams, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxStreamsRemembered)})"),
            _ => reply,
        };
    }

    private static async Task<T> CallAsync<T>(Task<T> call)
    {
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (Exception e) when (IsPassing(e))
        {
            throw NotStored(e);
        }
    }

    private static bool IsPassing(Exception e) => e is OrleansException or TimeoutException;

    private static RefusalException NotStored(Exception e) => new(RefusalKind.Unavailable, $"the samples could not be stored: {e.Message}");
}
