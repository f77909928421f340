using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Cli.Agent;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class HostAgentTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000);

    [Fact]
    public async Task Collector_TwoReadings_StreamsShareOfCpuMemoryAndDisk()
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var client = new VigilClient(new VigilClientOptions { MetricsAddress = server.Address });
        await using var pusher = client.OpenPusher(new MetricsPusherOptions());
        var files = new Files
        {
            ["/proc/stat"] = "cpu  100 0 0 900 0 0 0 0 0 0\n",
            ["/proc/meminfo"] = "MemTotal: 1000 kB\nMemAvailable: 250 kB\n",
            ["/proc/loadavg"] = "1.5 1 0.5 1/2 3\n",
        };
        var collector = new HostCollector(pusher, files);
        collector.Collect(Now);
        files["/proc/stat"] = "cpu  175 0 0 925 0 0 0 0 0 0\n";
        collector.Collect(Now.AddSeconds(1));
        await pusher.FlushDurableAsync().DefaultTimeout();

        var samples = server.Ingest.Stored.Values.SelectMany(s => s).ToLookup(s => s.Series, s => s.Value);
        Assert.Equal([0.75], samples["host_cpu_usage_ratio"]);
        Assert.Equal([0.75, 0.75], samples["host_memory_usage_ratio"]);
        Assert.Equal([0.9, 0.9], samples["host_disk_usage_ratio"].Select(v => Math.Round(v, 9)));
        Assert.Equal([1.5, 1.5], samples["host_load1"]);
        Assert.Equal([1, 1], samples["up"]);
        // What cannot be read is left out.
        Assert.Empty(samples["host_uptime_seconds"]);
    }

    [Fact]
    public async Task Probe_A26_CertificateThatEndsSoon_TellsItsDaysAndFailsAnUntrustedOne()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var made = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(12.5));
        using var certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        await using var site = await SiteAsync(o => o.UseHttps(certificate), _ => Task.CompletedTask);
        var clock = new FakeClock(Now);
        var result = await new HttpProbe(new ProbeTarget(Address(site), "site"), TimeSpan.FromSeconds(20), clock).ProbeAsync(default).DefaultTimeout();
        Assert.Equal(12.5, result.CertificateDaysLeft!.Value, 3);
        Assert.False(result.Success);
        Assert.StartsWith("certificate:", result.Failure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(399, true)]
    [InlineData(400, false)]
    [InlineData(503, false)]
    public async Task Probe_Status_DecidesSuccess(int status, bool success)
    {
        await using var site = await SiteAsync(_ => { }, context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });
        var result = await new HttpProbe(new ProbeTarget(Address(site), "site"), TimeSpan.FromSeconds(20), TimeProvider.System).ProbeAsync(default).DefaultTimeout();
        Assert.Equal((success, status, (double?)null), (result.Success, result.StatusCode, result.CertificateDaysLeft));
    }

    [Fact]
    public async Task Probe_NoAnswerInTime_Fails()
    {
        await using var site = await SiteAsync(_ => { }, context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        var result = await new HttpProbe(new ProbeTarget(Address(site), "site"), TimeSpan.FromMilliseconds(100), TimeProvider.System).ProbeAsync(default).DefaultTimeout();
        Assert.False(result.Success);
        Assert.Equal("no answer within 0.1 s", result.Failure);
    }

    private static async Task<WebApplication> SiteAsync(Action<ListenOptions> listen, RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, listen));
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }

    private static Uri Address(WebApplication site) => new(site.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    private sealed class Files : Dictionary<string, string>, IHostFiles
    {
        public string? Read(string path) => this.GetValueOrDefault(path);

        public IEnumerable<Mount> Mounts() => [new Mount("/", "ext4", 1000, 100), new Mount("/run", "tmpfs", 1000, 1000)];
    }
}
