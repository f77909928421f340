using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class ServiceTests
{
    [Fact]
    public async Task Start_PortTaken_SaysWhichAndWhichKey()
    {
        using var squatter = new TcpListener(IPAddress.Loopback, 0);
        squatter.Start();
        var port = ((IPEndPoint)squatter.LocalEndpoint).Port;
        await using var service = TestService.Build(settings: new() { ["Listen:HttpPort"] = $"{port}" });

        Assert.Equal(1, await service.App.RunServiceAsync().DefaultTimeout());

        var line = Assert.Single(service.Logs.All, l => l.Event == "CannotStart").Text;
        Assert.Contains($":{port}", line);
        Assert.Contains("Listen:HttpPort", line);
    }

    [Theory]
    [InlineData("Listen:GrpcPort", "70000", "0 to 65535")]
    [InlineData("Listen:GrpcPort", "abc", "a whole number")]
    [InlineData("Listen:Address", "example.org", "an IP address")]
    [InlineData("Storage:Synchronous", "off", "full or normal")]
    [InlineData("Storage:BusyTimeout", "5s", "a duration")]
    [InlineData("Telemetry:SelfMetricsInterval", "00:00:00.5", "00:00:01 to 01:00:00")]
    [InlineData("Listen:Tls:CertificatePath", "/nowhere.pem", "a file that exists")]
    public async Task Start_BadSetting_NamesKeyValueAndWhatIsAllowed(string key, string value, string allowed)
    {
        await using var service = TestService.Build(settings: new() { [key] = value });

        Assert.Equal(1, await service.App.RunServiceAsync().DefaultTimeout());

        var line = Assert.Single(service.Logs.All, l => l.Event == "CannotStart").Text;
        Assert.Contains(key, line);
        Assert.Contains($"'{value}", line.Replace("00:00:00.5000000", "00:00:00.5"));
        Assert.Contains(allowed, line);
        Assert.Contains(key.Replace(":", "__"), line);
    }

    [Fact]
    public async Task Start_UnknownKey_IsWarnedOfWithTheNearest()
    {
        await using var service = await TestService.StartAsync(settings: new() { ["Storage:Syncronous"] = "full", ["Listen:Tls:Cert"] = "x" });

        var lines = service.Logs.All.Where(l => l.Event == "UnknownConfigurationKey").Select(l => l.Text).ToArray();
        Assert.Equal(2, lines.Length);
        Assert.Contains(lines, l => l.Contains("Storage:Syncronous", StringComparison.Ordinal) && l.Contains("did you mean Storage:Synchronous?", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains("Listen:Tls:Cert", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_Stopped_ReturnsZeroAndReleasesTheDatabase()
    {
        await using var service = TestService.Build();
        using var stop = new CancellationTokenSource();
        var started = new TaskCompletionSource();
        service.App.Lifetime.ApplicationStarted.Register(() => started.SetResult());

        var running = service.App.RunServiceAsync(stop.Token);
        await started.Task.DefaultTimeout();
        var location = service.App.Services.GetRequiredService<IDatabase>().Location;
        stop.Cancel();

        Assert.Equal(0, await running.DefaultTimeout());
        await using var next = new SqliteDatabase("probe", new StorageOptions { Directory = Path.GetDirectoryName(location)! });
        await using var connection = await next.OpenAsync();
    }

    [Fact]
    public async Task Listeners_EachSpeaksItsProtocol()
    {
        await using var service = await TestService.StartAsync();
        Assert.NotEqual(service.Grpc.Port, service.Http.Port);
        using var client = new HttpClient();

        using var onHttp = await client.SendAsync(Get(service.Http, "1.1")).DefaultTimeout();
        using var onGrpc = await client.SendAsync(Get(service.Grpc, "2.0")).DefaultTimeout();

        Assert.Equal(new Version(1, 1), onHttp.Version);
        Assert.Equal(new Version(2, 0), onGrpc.Version);
        await Assert.ThrowsAsync<HttpRequestException>(() => client.SendAsync(Get(service.Http, "2.0"))).DefaultTimeout();

        static HttpRequestMessage Get(Uri at, string version) =>
            new(HttpMethod.Get, new Uri(at, "/live")) { Version = new Version(version), VersionPolicy = HttpVersionPolicy.RequestVersionExact };
    }

    [Fact]
    public async Task Tls_ClientCertificate_IsDemandedAndCheckedAgainstTheAuthority()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-tls-");
        try
        {
            using var authority = Authority("Test authority");
            using var stranger = Authority("Other authority");
            var (serverPem, serverKey) = Write(folder, "server", Issue(authority, "localhost", "1.3.6.1.5.5.7.3.1"));
            var authorityPem = Path.Combine(folder.FullName, "ca.pem");
            await File.WriteAllTextAsync(authorityPem, authority.ExportCertificatePem());
            await using var service = await TestService.StartAsync(settings: new()
            {
                ["Listen:Tls:CertificatePath"] = serverPem,
                ["Listen:Tls:KeyPath"] = serverKey,
                ["Listen:Tls:ClientCaPath"] = authorityPem,
            });
            Assert.Equal("https", service.Http.Scheme);

            Assert.Equal(HttpStatusCode.OK, await GetAsync(service.Http, authority, Issue(authority, "client", "1.3.6.1.5.5.7.3.2")));
            Assert.Equal(HttpStatusCode.OK, await GetAsync(service.Grpc, authority, Issue(authority, "client", "1.3.6.1.5.5.7.3.2")));
            await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(service.Http, authority, Issue(stranger, "client", "1.3.6.1.5.5.7.3.2")));
            await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(service.Http, authority, null));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<HttpStatusCode> GetAsync(Uri at, X509Certificate2 authority, X509Certificate2? certificate)
    {
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, remote, chain, errors) => remote is X509Certificate2 r && r.Issuer == authority.Subject;
        if (certificate is not null) handler.SslOptions.ClientCertificates = [certificate];
        using var client = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(at, "/live")) { Version = new Version(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var response = await client.SendAsync(request).DefaultTimeout();
        return response.StatusCode;
    }

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, string name, string usage)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        using var issued = request.Create(authority, authority.NotBefore, authority.NotAfter, RandomNumberGenerator.GetBytes(8));
        using var withKey = issued.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    private static (string Certificate, string Key) Write(DirectoryInfo folder, string name, X509Certificate2 certificate)
    {
        var pem = Path.Combine(folder.FullName, name + ".pem");
        var key = Path.Combine(folder.FullName, name + ".key");
        File.WriteAllText(pem, certificate.ExportCertificatePem());
        File.WriteAllText(key, certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        return (pem, key);
    }
}
