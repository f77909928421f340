using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class AuthTests
{
    private static Task<TestService> StartAsync(Dictionary<string, string?>? settings = null) => TestService.StartAsync(null, app =>
    {
        foreach (var scope in Enum.GetValues<Scope>())
            app.MapGet("/" + scope.ToString().ToLowerInvariant(), (HttpContext c) => c.GetActor()).RequireScope(scope);
        app.MapGet("/forgotten", () => "x");
    }, settings);

    [Theory]
    [InlineData("ingest", "ingest", 200)]
    [InlineData("ingest", "read", 403)]
    [InlineData("ingest", "operate", 403)]
    [InlineData("ingest", "admin", 403)]
    [InlineData("read", "ingest", 403)]
    [InlineData("read", "read", 200)]
    [InlineData("read", "operate", 403)]
    [InlineData("operate", "ingest", 403)]
    [InlineData("operate", "read", 200)]
    [InlineData("operate", "operate", 200)]
    [InlineData("operate", "admin", 403)]
    [InlineData("admin", "ingest", 200)]
    [InlineData("admin", "read", 200)]
    [InlineData("admin", "operate", 200)]
    [InlineData("admin", "admin", 200)]
    [InlineData("operate", "forgotten", 403)] // no scope named: for administrators
    [InlineData("admin", "forgotten", 200)]
    public async Task Token_Scope_AllowsWhatItImplies(string held, string path, int status)
    {
        await using var service = await StartAsync();
        using var client = service.Client(held + "-token");

        using var response = await client.GetAsync("/" + path).DefaultTimeout();

        Assert.Equal(status, (int)response.StatusCode);
        if (status == 403)
        {
            var body = await response.Content.ReadAsStringAsync();
            Assert.Contains($"needs the scope {(path == "forgotten" ? "admin" : path)}", body);
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        }
    }

    [Theory]
    [InlineData(null, "missing")]
    [InlineData("Bearer wrong", "unknown_token")]
    [InlineData("Bearer ", "malformed")]
    [InlineData("Digest abc", "malformed")]
    [InlineData("Basic !!!", "malformed")]
    [InlineData("Basic dXNlcjo=", "malformed")] // an empty password
    public async Task Token_MissingOrBad_Is401AndCounted(string? header, string reason)
    {
        await using var service = await StartAsync();
        using var client = service.Client();
        if (header is not null) client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", header);

        using var response = await client.GetAsync("/read").DefaultTimeout();

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Contains("Bearer", response.Headers.WwwAuthenticate.ToString());
        using var reader = service.Client("read-token");
        Assert.Contains($"vigil_auth_failures_total{{reason=\"{reason}\"}} 1\n", await reader.GetStringAsync("/metrics").DefaultTimeout());
    }

    [Fact]
    public async Task Token_LongerThanTheLimit_IsRefused()
    {
        var longest = new string('t', TokenTable.MaxTokenBytes);
        await using var service = await StartAsync(new()
        {
            ["Auth:TokenHashes:read:1"] = TestService.Hash(longest),
            ["Auth:TokenHashes:read:2"] = TestService.Hash(longest + "t"),
        });

        using var atLimit = service.Client(longest);
        using var over = service.Client(longest + "t");
        Assert.Equal(HttpStatusCode.OK, (await atLimit.GetAsync("/read").DefaultTimeout()).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await over.GetAsync("/read").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Basic_TokenAsPassword_Passes()
    {
        await using var service = await StartAsync();
        using var client = service.Client();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("prometheus:read-token")));

        Assert.Equal($"prometheus via read-{TestService.Hash("read-token")[..8]}", await client.GetStringAsync("/read").DefaultTimeout());
    }

    [Theory]
    [InlineData("alice", "alice via grafana")]
    [InlineData("alice\tadmin", "grafana")] // nothing that could pass for something else in the log
    [InlineData(null, "grafana")]
    public async Task Actor_NamedTokenAndClaimedUser_AreTold(string? claimed, string actor)
    {
        await using var service = await StartAsync(new() { ["Auth:TokenHashes:read:5"] = "grafana=" + TestService.Hash("g") });
        using var client = service.Client("g");
        if (claimed is not null) client.DefaultRequestHeaders.TryAddWithoutValidation(CallerExtensions.ActorHeader, claimed);

        Assert.Equal(actor, await client.GetStringAsync("/read").DefaultTimeout());
    }

    [Theory]
    [InlineData("/live")]
    [InlineData("/ready")]
    [InlineData("/health")]
    [InlineData("/-/healthy")]
    [InlineData("/-/ready")]
    public async Task Health_WithoutToken_Answers(string path)
    {
        await using var service = await StartAsync();
        using var client = service.Client();

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(path).DefaultTimeout()).StatusCode);
    }

    [Theory]
    [InlineData("/read", null, null, 200)]
    [InlineData("/metrics", null, null, 200)]
    [InlineData("/operate", null, null, 401)] // reading only
    [InlineData("/ingest", null, null, 401)]
    [InlineData("/read", "X-Forwarded-For", "203.0.113.7", 401)] // came through a proxy on this machine
    [InlineData("/read", "Forwarded", "for=203.0.113.7", 401)]
    [InlineData("/read", "Host", "rebound.example", 401)] // a web page's name that resolves to loopback
    [InlineData("/read", "Host", "localhost", 200)]
    [InlineData("/read", "Authorization", "Bearer wrong", 401)] // a wrong token is wrong
    public async Task LoopbackRead_Allowed_OnlyDirectReads(string path, string? header, string? value, int status)
    {
        await using var service = await StartAsync(new() { ["Auth:AllowLoopbackRead"] = "true" });
        using var client = service.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (header is not null) request.Headers.TryAddWithoutValidation(header, value);

        using var response = await client.SendAsync(request).DefaultTimeout();

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task LoopbackRead_NotAllowed_NeedsAToken()
    {
        await using var service = await StartAsync();
        using var client = service.Client();

        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/read").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Failures_ManyOfOneKind_AreLoggedOnce()
    {
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(
            b => Microsoft.Extensions.DependencyInjection.ServiceCollectionServiceExtensions.AddSingleton<TimeProvider>(b.Services, clock),
            app => app.MapGet("/read", () => "x").RequireScope(Scope.Read));
        using var client = service.Client();

        for (var i = 0; i < 5; i++) await client.GetAsync("/read").DefaultTimeout();
        Assert.Equal(1, service.Logs.Count("AuthenticationFailed"));
        clock.Advance(AuthFailures.LogInterval);
        await client.GetAsync("/read").DefaultTimeout();

        var lines = service.Logs.All.Where(l => l.Event == "AuthenticationFailed").ToArray();
        Assert.Equal(2, lines.Length);
        Assert.Contains("4 more", lines[1].Text);
    }

    [Fact]
    public async Task Start_NoTokenHashes_IsRefusedAndSaysHow()
    {
        await using var service = TestService.Build(settings: new()
        {
            ["Auth:TokenHashes:ingest:0"] = null,
            ["Auth:TokenHashes:read:0"] = null,
            ["Auth:TokenHashes:operate:0"] = null,
            ["Auth:TokenHashes:admin:0"] = null,
        });

        Assert.Equal(1, await service.App.RunServiceAsync().DefaultTimeout());

        var line = Assert.Single(service.Logs.All, l => l.Event == "CannotStart").Text;
        Assert.Contains("Auth:TokenHashes", line);
        Assert.Contains("AppHost", line);
        Assert.Contains("sha256sum", line);
    }

    [Fact]
    public void Validate_TokenInsteadOfHash_IsRefusedWithoutShowingIt()
    {
        var options = new AuthOptions { TokenHashes = { ["read"] = ["my-secret-token"], ["root"] = [TestService.Hash("x")] } };

        var faults = options.Validate().ToArray();

        Assert.Equal(["TokenHashes.read.0", "TokenHashes.root"], faults.Select(f => f.Property));
        Assert.DoesNotContain(faults, f => f.ToString().Contains("my-secret-token", StringComparison.Ordinal));
    }
}
