using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Npgsql;
using Vigil.Metrics.Probes;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Tests.Scrape;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Probes;

public sealed class ProbeTests
{
    [Fact]
    public async Task Http_AnAnswerInOrder_IsASuccessWithItsNumbers()
    {
        await using var server = await TargetServer.StartAsync();
        server.Answer = context => context.Response.WriteAsync("all is well");
        var result = await ProbeAsync("prober: http, http: { fail_if_body_not_matches_regexp: [ 'is w' ], fail_if_body_matches_regexp: [ error ] }", $"{server.Address}/health");
        Assert.Null(result.Failure);
        Assert.Equal((200, 11, 0, 0, 1.1, 0), (Of(result, "probe_http_status_code"), Of(result, "probe_http_uncompressed_body_length"), Of(result, "probe_http_redirects"),
            Of(result, "probe_http_ssl"), Of(result, "probe_http_version"), Of(result, "probe_failed_due_to_regex")));
        Assert.DoesNotContain(result.Samples, s => s.Name.StartsWith("probe_ssl"));
    }

    [Theory]
    [InlineData("prober: http, http: { fail_if_body_not_matches_regexp: [ fine ] }", "the body does not match fail_if_body_not_matches_regexp")]
    [InlineData("prober: http, http: { fail_if_body_matches_regexp: [ 'w..l' ] }", "the body matches fail_if_body_matches_regexp")]
    [InlineData("prober: http, http: { valid_status_codes: [ 204 ] }", "status 200")]
    [InlineData("prober: http, http: { fail_if_not_ssl: true }", "the answer did not come over TLS")]
    public async Task Http_AnAnswerThatIsNotInOrder_IsAFailureThatSaysWhy(string settings, string reason)
    {
        await using var server = await TargetServer.StartAsync();
        server.Answer = context => context.Response.WriteAsync("all is\nwell");
        var result = await ProbeAsync(settings, server.Address);
        Assert.Equal(reason, result.Failure);
        Assert.Equal(200, Of(result, "probe_http_status_code"));
    }

    [Fact]
    public async Task Http_RequestAsConfigured_IsSentAndRedirectionsAreCounted()
    {
        await using var server = await TargetServer.StartAsync();
        var seen = new List<string>();
        server.Answer = async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            seen.Add($"{context.Request.Method} {context.Request.Path} {context.Request.Headers["X-A"]} {context.Request.Headers.Authorization} {await reader.ReadToEndAsync()}");
            if (context.Request.Path == "/") context.Response.Redirect("/two");
            else context.Response.StatusCode = 201;
        };
        var settings = "prober: http, http: { method: POST, headers: { X-A: b }, body: hello, bearer_token: t }";
        var result = await ProbeAsync(settings, server.Address);
        Assert.Null(result.Failure);
        Assert.Equal(["POST / b Bearer t hello", "POST /two b Bearer t hello"], seen);
        Assert.Equal((201, 1), (Of(result, "probe_http_status_code"), Of(result, "probe_http_redirects")));
        Assert.Equal("status 302", (await ProbeAsync(settings.Replace("body: hello", "follow_redirects: false"), server.Address)).Failure);
    }

    [Fact]
    public async Task Http_OverTls_ReportsTheCertificateAlsoWhereItIsRefused()
    {
        using var certificate = Certificate(days: 30);
        await using var server = await TargetServer.StartAsync(certificate);
        server.Answer = context => context.Response.WriteAsync("ok");
        var refused = await ProbeAsync("prober: http", $"https://{server.Address}/");
        Assert.Contains("certificate", refused.Failure, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, Of(refused, "probe_http_status_code"));
        var taken = await ProbeAsync("prober: http, tls_config: { insecure_skip_verify: true }, http: { fail_if_not_ssl: true }", $"https://{server.Address}/");
        Assert.Null(taken.Failure);
        Assert.Equal(1, Of(taken, "probe_http_ssl"));
        foreach (var result in new[] { refused, taken })
        {
            Assert.Equal(new DateTimeOffset(certificate.NotAfter).ToUnixTimeSeconds(), Of(result, "probe_ssl_earliest_cert_expiry"));
            Assert.InRange(Of(result, "probe_certificate_days_left"), 29, 30);
        }
    }

    [Fact]
    public async Task Tls_WithTheAuthorityThatIsTrusted_Succeeds()
    {
        using var certificate = Certificate(days: 5);
        await using var server = await TargetServer.StartAsync(certificate);
        var folder = Directory.CreateTempSubdirectory("vigil-probe-");
        try
        {
            var pem = Path.Combine(folder.FullName, "ca.pem");
            await File.WriteAllTextAsync(pem, certificate.ExportCertificatePem());
            var result = await ProbeAsync($"prober: tcp, tls_config: {{ ca_file: {pem}, server_name: localhost }}, tcp: {{ tls: true }}", server.Address);
            Assert.Null(result.Failure);
            Assert.InRange(Of(result, "probe_certificate_days_left"), 4, 5);
            server.Answer = context => context.Response.WriteAsync(context.Request.Host.Host);
            Assert.Null((await ProbeAsync($"prober: http, tls_config: {{ ca_file: {pem}, server_name: localhost }}, http: {{ fail_if_body_not_matches_regexp: [ localhost ] }}", $"https://{server.Address}/")).Failure);
            Assert.Contains("certificate", (await ProbeAsync($"prober: http, tls_config: {{ ca_file: {pem}, server_name: elsewhere }}", $"https://{server.Address}/")).Failure, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Tcp_APortThatListensAndOneThatDoesNot_AreToldApart()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = listener.LocalEndpoint.ToString()!;
        Assert.Null((await ProbeAsync("prober: tcp", address)).Failure);
        listener.Stop();
        Assert.Contains("refused", (await ProbeAsync("prober: tcp", address)).Failure);
    }

    [Fact]
    public async Task Probe_WithoutAnAnswer_FailsWhenItsTimeIsUp()
    {
        await using var server = await TargetServer.StartAsync();
        var asked = new TaskCompletionSource();
        server.Answer = async context =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        var clock = new FakeClock();
        var probe = ProbeAsync("prober: http, timeout: 3s", server.Address, clock);
        await asked.Task.DefaultTimeout();
        clock.Advance(TimeSpan.FromSeconds(3));
        var result = await probe;
        Assert.Equal(("no answer within 3s", 3), (result.Failure, result.Seconds));
    }

    [Fact]
    public async Task Grpc_HealthOfAServer_IsReadWithItsState()
    {
        await using var host = await MetricsHost.StartAsync();
        var good = await ProbeAsync("prober: grpc", host.GrpcAddress.Authority);
        Assert.Null(good.Failure);
        Assert.Equal(0, Of(good, "probe_grpc_status_code"));
        Assert.Equal(1, Assert.Single(good.Samples, s => s.Labels == "serving_status=\"SERVING\"").Value);
        var unknown = await ProbeAsync("prober: grpc, grpc: { service: nobody }", host.GrpcAddress.Authority);
        Assert.NotNull(unknown.Failure);
        Assert.Equal(5, Of(unknown, "probe_grpc_status_code"));
    }

    [FactNeeds("postgres")]
    public async Task Postgres_ADatabaseAndOneThatIsNotThere_AreToldApart()
    {
        var server = new NpgsqlConnectionStringBuilder(await PostgresServer.NewDatabaseAsync());
        var address = $"{server.Host}:{server.Port}";
        Assert.Null((await ProbeAsync($"prober: postgres, postgres: {{ username: postgres, database: {server.Database} }}", address)).Failure);
        Assert.Contains("nowhere", (await ProbeAsync("prober: postgres, postgres: { username: postgres, database: nowhere }", address)).Failure);
    }

    [FactNeeds("redis-server")]
    public async Task Redis_WithAndWithoutThePassword_AreToldApart()
    {
        await using var redis = await RedisServer.StartAsync("secret");
        Assert.Null((await ProbeAsync("prober: redis, redis: { password: secret }", redis.Address)).Failure);
        Assert.Contains("NOAUTH", (await ProbeAsync("prober: redis", redis.Address)).Failure);
        Assert.Contains("WRONGPASS", (await ProbeAsync("prober: redis, redis: { password: wrong }", redis.Address)).Failure);
    }

    [Fact]
    public async Task Sqlite_ADatabaseAndWhatIsNone_AreToldApart()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-probe-");
        try
        {
            var good = Path.Combine(folder.FullName, "good.db");
            await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={good};Pooling=False"))
            {
                await connection.OpenAsync();
                await using var command = connection.CreateCommand();
                command.CommandText = "CREATE TABLE t (x)";
                await command.ExecuteNonQueryAsync();
            }
            var bad = Path.Combine(folder.FullName, "bad.db");
            await File.WriteAllTextAsync(bad, new string('x', 4_096));
            Assert.Null((await ProbeAsync("prober: sqlite", good)).Failure);
            Assert.Contains("not a database", (await ProbeAsync("prober: sqlite", bad)).Failure);
            Assert.NotNull((await ProbeAsync("prober: sqlite", Path.Combine(folder.FullName, "none.db"))).Failure);
            Assert.False(File.Exists(Path.Combine(folder.FullName, "none.db")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("http", "ftp://x/", "'ftp://x/' is no http:// or https:// URL")]
    [InlineData("http", "http://u:p@x/", "a password has no place in an address, which becomes a label: use basic_auth")]
    [InlineData("tcp", "host", "'host' is not host:port")]
    [InlineData("redis", "host:0", "'host:0' is not host:port")]
    public void Build_AnAddressThatCannotBeProbed_IsNamed(string prober, string address, string reason)
    {
        var (jobs, _) = ScrapeFileTests.Parse($"probe_configs: [ {{ job_name: j, prober: {prober} }} ]");
        Assert.Equal($"s: {address}: {reason}", Assert.Single(TargetBuilder.Build(jobs[0], [new TargetGroup("s", [address], new Dictionary<string, string>())]).Faults));
    }

    [Fact]
    public async Task Service_AProbeThatSucceedsAndThenFails_IsStoredWithItsSeries()
    {
        await using var server = await TargetServer.StartAsync();
        server.Answer = context => context.Response.WriteAsync("ok");
        await using var bench = await ScrapeBench.StartAsync($"probe_configs: [ {{ job_name: web, prober: http, interval: 10s, static_configs: [ {{ targets: [ '{server.Address}' ], labels: {{ team: a }} }} ] }} ]");
        Assert.Null((await bench.ScrapeAsync()).Error);
        var labels = $"{{job=\"web\",team=\"a\",instance=\"{server.Address}\"}}";
        Assert.Equal((1, 1, 200), (await bench.ValueAsync("probe_success" + labels), await bench.ValueAsync("up" + labels), await bench.ValueAsync("probe_http_status_code" + labels)));
        Assert.Equal((1, 0), (await bench.CountAsync("probe_duration_seconds"), await bench.CountAsync("scrape_duration_seconds")));

        server.Answer = context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        };
        Assert.Equal("status 500", (await bench.ScrapeAsync()).Error);
        // What it found out is kept, unlike a page that failed.
        Assert.Equal((0, 0, 500), (await bench.ValueAsync("probe_success"), await bench.ValueAsync("up"), await bench.ValueAsync("probe_http_status_code")));
    }

    private static double Of(ProbeResult result, string name) => Assert.Single(result.Samples, s => s.Name == name).Value;

    private static async Task<ProbeResult> ProbeAsync(string settings, string address, TimeProvider? clock = null)
    {
        var (jobs, findings) = ScrapeFileTests.Parse($"probe_configs: [ {{ job_name: j, {settings} }} ]");
        Assert.Empty(findings);
        var built = TargetBuilder.Build(jobs[0], [new TargetGroup("s", [address], new Dictionary<string, string>())]);
        Assert.Empty(built.Faults);
        return await ProbeRunner.RunAsync(built.Active[0], jobs[0].Probe!, clock ?? TimeProvider.System).DefaultTimeout();
    }

    private static X509Certificate2 Certificate(int days)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(days));
    }
}
