using System.Globalization;
using Aspire.Hosting;
using Microsoft.Extensions.Configuration;

namespace Vigil.AppHost;

/// <summary>The ports that were asked for: <c>Ports:resource:endpoint</c>.</summary>
internal sealed class PortSettings(IConfiguration configuration)
{
    private static readonly string[] Known = ["metrics:grpc", "metrics:http", "alerting:grpc", "alerting:http", "demo-shop:http"];

    /// <exception cref="DistributedApplicationException">It is no port, or there is a key that names no endpoint: a misspelt one would be ignored in silence.</exception>
    public int Of(string resource, string endpoint, int byDefault)
    {
        foreach (var (key, _) in configuration.GetSection("Ports").AsEnumerable(makePathsRelative: true).Where(p => p.Value is not null))
        {
            if (!Known.Contains(key, StringComparer.OrdinalIgnoreCase))
                throw new DistributedApplicationException($"Ports:{key} names no endpoint: there are {string.Join(", ", Known.Select(k => "Ports:" + k))}");
        }
        if (configuration[$"Ports:{resource}:{endpoint}"] is not { } text) return byDefault;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 1 and <= 65_535 ? port
            : throw new DistributedApplicationException($"Ports:{resource}:{endpoint} is '{text}': give a port, 1 to 65535");
    }
}
