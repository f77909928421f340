using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Query;

/// <summary>What a metric means, as its senders declared it.</summary>
/// <param name="Type">Prometheus' word: counter, gauge, histogram, summary, unknown.</param>
/// <param name="Help">A sentence, or empty.</param>
/// <param name="Unit">Its unit, or empty.</param>
internal sealed record MetricMeaning(string Type, string Help, string Unit);

/// <summary>What the metrics of all services mean.</summary>
internal sealed class MetricCatalog(QueryCoordinator coordinator, IGrainFactory grains)
{
    private const string Buckets = "_bucket";

    /// <summary>Metrics by name, each with the meanings it has: several, where its senders do not agree.</summary>
    /// <exception cref="RefusalException">A grain cannot be reached for the moment.</exception>
    public async Task<IReadOnlyDictionary<string, IReadOnlyCollection<MetricMeaning>>> ReadAsync(CancellationToken ct)
    {
        var described = new List<MetricDescription>();
        try
        {
            foreach (var some in (await coordinator.GrainsAsync(ct).ConfigureAwait(false)).Chunk(16))
            {
                var replies = await Task.WhenAll(some.Select(key => grains.GetGrain<IMonitoredServiceGrain>(key).DescribeAsync())).WaitAsync(ct).ConfigureAwait(false);
                foreach (var reply in replies) described.AddRange(reply);
            }
        }
        catch (Exception e) when (e is OrleansException or TimeoutException)
        {
            throw new RefusalException(RefusalKind.Unavailable, $"what metrics mean cannot be read for the moment: {e.Message}");
        }
        return Families(described);
    }

    /// <summary>Puts the series of classic histograms and summaries together under the metric's own name.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyCollection<MetricMeaning>> Families(IReadOnlyCollection<MetricDescription> described)
    {
        var parts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var one in described)
        {
            if (one.HasBuckets && one.Name.EndsWith(Buckets, StringComparison.Ordinal)) Gather(one.Name[..^Buckets.Length], Buckets);
            else if (one.HasQuantiles) Gather(one.Name, "");
        }
        var families = new SortedDictionary<string, HashSet<MetricMeaning>>(StringComparer.Ordinal);
        foreach (var one in described)
        {
            var isPart = parts.TryGetValue(one.Name, out var family);
            var type = isPart ? Type(family!) : one.Kind switch
            {
                SeriesKind.Counter => "counter",
                SeriesKind.Gauge => "gauge",
                _ => "unknown",
            };
            var name = isPart ? family! : one.Name;
            if (!families.TryGetValue(name, out var meanings)) families.Add(name, meanings = []);
            meanings.Add(new MetricMeaning(type, one.Help, one.Unit));
        }
        return families.ToDictionary(f => f.Key, f => (IReadOnlyCollection<MetricMeaning>)f.Value, StringComparer.Ordinal);

        void Gather(string family, string values)
        {
            foreach (var suffix in (string[])[values, "_sum", "_count"]) parts[family + suffix] = family;
        }

        // A summary has its quantiles under its own name; a histogram has nothing there.
        string Type(string family) => parts.ContainsKey(family) ? "summary" : "histogram";
    }
}
