using System.Globalization;
using System.Net;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

/// <summary>Reads what a service counts about itself.</summary>
internal static class Counters
{
    /// <summary>The sum of a metric's series that have all of these labels, written as in the page: <c>cause="too_old"</c>.</summary>
    public static async Task<double> SumAsync(MetricsHost host, string name, params string[] labels)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", MetricsHost.Token);
        using var response = await http.GetAsync(new Uri(host.HttpAddress, "/metrics")).DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var lines = (await response.Content.ReadAsStringAsync()).Split('\n');
        return lines.Where(l => (l.StartsWith(name + "{", StringComparison.Ordinal) || l.StartsWith(name + " ", StringComparison.Ordinal)) && labels.All(label => l.Contains(label, StringComparison.Ordinal)))
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }
}
