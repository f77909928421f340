using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

/// <summary>Targets that want to see a certificate.</summary>
public sealed class ScrapeTlsTests
{
    [Fact]
    public async Task Scrape_OfATargetThatWantsACertificate_ShowsTheOneInTheFiles_AndTheNextWhenTheyChange()
    {
        using var own = Certificate("localhost");
        await using var server = await TargetServer.StartAsync(own, wantsCertificate: true);
        var folder = Directory.CreateTempSubdirectory("vigil-tls-");
        try
        {
            string In(string name) => Path.Combine(folder.FullName, name);
            await File.WriteAllTextAsync(In("ca.pem"), own.ExportCertificatePem());
            var shown = new List<string>();
            server.Answer = context =>
            {
                shown.Add(context.Connection.ClientCertificate!.Subject);
                // So that each scrape makes a connection of its own.
                context.Response.Headers.Connection = "close";
                return context.Response.WriteAsync("a 1\n");
            };
            await WriteAsync("first");
            string Jobs(string more) =>
                $"scrape_configs: [ {{ job_name: shop, scheme: https, scrape_interval: 10s, static_configs: [ {{ targets: [ '{server.Address}' ] }} ], tls_config: {{ ca_file: {In("ca.pem")}, server_name: localhost{more} }} }} ]";
            var files = $", cert_file: {In("client.pem")}, key_file: {In("client.key")}";
            await using var bench = await ScrapeBench.StartAsync(Jobs(files));
            Assert.Null((await bench.ScrapeAsync()).Error);
            await WriteAsync("second");
            Assert.Null((await bench.ScrapeAsync()).Error);
            Assert.Equal(["CN=first", "CN=second"], shown);

            File.Delete(In("client.key"));
            Assert.NotNull((await bench.ScrapeAsync()).Error);
            Assert.Equal(0, await bench.ValueAsync("up"));
            var finding = Assert.Single(await bench.ReloadAsync(Jobs(files) + "\n"));
            Assert.Contains("tls_config.cert_file: cannot be read: ", finding, StringComparison.Ordinal);

            await WriteAsync("third");
            Assert.Null((await bench.ScrapeAsync()).Error);
            Assert.Empty(await bench.ReloadAsync(Jobs("")));
            Assert.NotNull((await bench.ScrapeAsync()).Error);
            Assert.Equal(["CN=first", "CN=second", "CN=third"], shown);

            async Task WriteAsync(string name)
            {
                using var client = Certificate(name);
                await File.WriteAllTextAsync(In("client.pem"), client.ExportCertificatePem());
                await File.WriteAllTextAsync(In("client.key"), client.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
