using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Which grain holds a series: <c>service</c>, or <c>service/shard</c> where the service is spread over several. A slash in the
/// service's name is escaped, so that the two never meet.
/// </summary>
internal static class GrainKeys
{
    /// <summary>The label that names the service.</summary>
    public const string JobLabel = "job";

    /// <summary>The service of series that name none.</summary>
    public const string UnknownService = "unknown";

    /// <summary>The service that a series belongs to: its label <c>job</c>, or <see cref="UnknownService"/>.</summary>
    public static string ServiceOf(LabelSet labels) =>
        labels.TryGet(JobLabel, out var job) ? job : UnknownService;

    /// <summary>The grain that a series belongs to.</summary>
    public static string For(LabelSet labels, int shards)
    {
        var service = Escape(ServiceOf(labels));
        return shards == 1 ? service : $"{service}/{labels.Hash % (ulong)shards}";
    }

    /// <summary>The service of a grain.</summary>
    public static string ServiceOf(string key)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return Unescape(slash < 0 ? key : key[..slash]);
    }

    private static string Escape(string service) =>
        service.Replace("%", "%25", StringComparison.Ordinal).Replace("/", "%2F", StringComparison.Ordinal);

    private static string Unescape(string text) =>
        text.Replace("%2F", "/", StringComparison.Ordinal).Replace("%25", "%", StringComparison.Ordinal);
}
