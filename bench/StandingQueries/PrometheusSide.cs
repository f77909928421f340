using System.Globalization;
using System.Text;
using Vigil.PageLatency;
using Vigil.Testing;

namespace Vigil.StandingQueries;

/// <summary>Prometheus with the queries as alerts, in groups of 100 that are evaluated each second.</summary>
internal sealed class PrometheusSide : ISide
{
    private const int RulesPerGroup = 100;

    private readonly ChildProcess server;
    private readonly string folder;
    private readonly Uri address;

    private PrometheusSide(ChildProcess server, string folder, Uri address) => (this.server, this.folder, this.address) = (server, folder, address);

    public int ProcessId => server.Id;

    public Uri Write => new(address, "/api/v1/write");

    public string? Token => null;

    public string Remark => "";

    public static async Task<PrometheusSide> StartAsync(string folder)
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), """
            global:
              evaluation_interval: 1s
            rule_files: [rules.yml]
            """);
        var address = new Uri($"http://127.0.0.1:{ChildProcess.FreePort()}");
        var server = ChildProcess.Start("prometheus", folder, Needs.Require("prometheus"),
        [
            $"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/prometheus", $"--web.listen-address={address.Authority}",
            "--web.enable-remote-write-receiver", "--web.enable-lifecycle",
        ]);
        await server.ReadyAsync(new Uri(address, "/-/ready"));
        return new PrometheusSide(server, folder, address);
    }

    public async Task WatchAsync(IReadOnlyList<string> expressions, CancellationToken ct)
    {
        var rules = new StringBuilder("groups:\n");
        for (var i = 0; i < expressions.Count; i++)
        {
            if (i % RulesPerGroup == 0) rules.Append(CultureInfo.InvariantCulture, $"  - name: g{i}\n    interval: 1s\n    rules:\n");
            rules.Append(CultureInfo.InvariantCulture, $"      - alert: A{i}\n        expr: {expressions[i]}\n");
        }
        await File.WriteAllTextAsync(Path.Combine(folder, "rules.yml"), rules.ToString(), ct);
        using var http = new HttpClient();
        (await http.PostAsync(new Uri(address, "/-/reload"), null, ct)).EnsureSuccessStatusCode();
    }

    public void Sending()
    {
    }

    public async Task<(double Evaluated, double Missed)> CountAsync(CancellationToken ct)
    {
        using var http = new HttpClient();
        double evaluated = 0, missed = 0;
        foreach (var line in (await http.GetStringAsync(new Uri(address, "/metrics"), ct)).Split('\n'))
        {
            if (line.StartsWith("prometheus_rule_evaluations_total", StringComparison.Ordinal)) evaluated += Number(line);
            if (line.StartsWith("prometheus_rule_group_iterations_missed_total", StringComparison.Ordinal)) missed += Number(line) * RulesPerGroup;
        }
        return (evaluated, missed);
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static double Number(string line) => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
}
