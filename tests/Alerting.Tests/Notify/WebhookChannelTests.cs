using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Vigil.Alerting.Notify;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Notify;

public sealed class WebhookChannelTests
{
    [Fact]
    public async Task Send_Page_PostsAlertmanagersFormatWithTheIdempotencyKey()
    {
        await using var server = await WebhookServer.StartAsync(_ => Results.Ok());
        var page = Pages.Page();

        Assert.True((await Channel(server, o => o.Headers["Authorization"] = "Bearer secret").SendAsync(page, default).DefaultTimeout()).Delivered);

        var (body, headers) = server.Received.Single();
        Assert.Equal(page.IdempotencyKey, headers["Idempotency-Key"]);
        Assert.Equal("Bearer secret", headers["Authorization"]);
        Assert.Equal("application/json", headers["Content-Type"]);
        var root = JsonDocument.Parse(body).RootElement;
        Assert.Equal(("4", "firing", "hook"), (root.GetProperty("version").GetString(), root.GetProperty("status").GetString(), root.GetProperty("receiver").GetString()));
        Assert.Equal("http://vigil:9093", root.GetProperty("externalURL").GetString());
        Assert.Equal("ServiceDown", root.GetProperty("groupLabels").GetProperty("alertname").GetString());
        Assert.Equal("x", root.GetProperty("commonLabels").GetProperty("instance").GetString());
        var alert = root.GetProperty("alerts")[0];
        Assert.Equal("x is down", alert.GetProperty("annotations").GetProperty("summary").GetString());
        Assert.Equal("2026-01-05T12:00:00Z", alert.GetProperty("startsAt").GetString());
        Assert.Equal("0001-01-01T00:00:00Z", alert.GetProperty("endsAt").GetString());
        Assert.Equal(page.Fingerprint, alert.GetProperty("fingerprint").GetString());
        var vigil = root.GetProperty("vigil");
        Assert.Equal(("P1", "15m", "A1"), (vigil.GetProperty("severity").GetString(), vigil.GetProperty("respondWithin").GetString(), vigil.GetProperty("row").GetString()));
    }

    [Theory]
    [InlineData(200, true, false)]
    [InlineData(204, true, false)]
    [InlineData(301, false, false)]
    [InlineData(400, false, false)]
    [InlineData(401, false, false)]
    [InlineData(404, false, false)]
    [InlineData(408, false, true)]
    [InlineData(429, false, true)]
    [InlineData(500, false, true)]
    [InlineData(503, false, true)]
    public async Task Send_Status_DecidesWhetherItIsTriedAgain(int status, bool delivered, bool retryable)
    {
        await using var server = await WebhookServer.StartAsync(_ => Results.StatusCode(status));

        var result = await Channel(server).SendAsync(Pages.Page(), default).DefaultTimeout();

        Assert.Equal((delivered, retryable), (result.Delivered, result.Retryable));
        if (!delivered) Assert.Equal($"status_{status}", result.Reason);
    }

    [Fact]
    public async Task Send_RetryAfter_IsHeard()
    {
        await using var server = await WebhookServer.StartAsync(context =>
        {
            context.Response.Headers.RetryAfter = "17";
            return Results.StatusCode(429);
        });

        Assert.Equal(TimeSpan.FromSeconds(17), (await Channel(server).SendAsync(Pages.Page(), default).DefaultTimeout()).RetryAfter);
    }

    [Fact]
    public async Task Send_ServerThatDoesNotAnswer_IsATimeoutAndRetryable()
    {
        var clock = new FakeClock();
        var arrived = new TaskCompletionSource();
        await using var server = await WebhookServer.StartAsync(async context =>
        {
            arrived.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
            return Results.Ok();
        });
        var sending = Channel(server, clock: clock).SendAsync(Pages.Page(), default);
        await arrived.Task.DefaultTimeout();

        clock.Advance(TimeSpan.FromSeconds(10));

        var result = await sending.DefaultTimeout();
        Assert.Equal((false, true, "timeout"), (result.Delivered, result.Retryable, result.Reason));
    }

    [Fact]
    public async Task Send_NobodyListens_IsAConnectionFailureAndRetryable()
    {
        var options = new WebhookOptions { Url = "http://127.0.0.1:1/x" };
        var result = await new WebhookChannel("hook", options, new HttpClient(), "", TimeProvider.System).SendAsync(Pages.Page(), default).DefaultTimeout();
        Assert.Equal((false, true, "connection"), (result.Delivered, result.Retryable, result.Reason));
    }

    [Fact]
    public void Target_UrlWithSecrets_ShowsOnlyTheHost() =>
        Assert.Equal("https://hooks.example.com", new WebhookChannel("hook", new WebhookOptions { Url = "https://user:pw@hooks.example.com/T000/secret?token=x" }, new HttpClient(), "", TimeProvider.System).Target);

    private static WebhookChannel Channel(WebhookServer server, Action<WebhookOptions>? configure = null, TimeProvider? clock = null)
    {
        var options = new WebhookOptions { Url = server.Url };
        configure?.Invoke(options);
        return new WebhookChannel("hook", options, new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }), "http://vigil:9093", clock ?? TimeProvider.System);
    }
}

/// <summary>A receiver of webhooks on a free port of this machine.</summary>
internal sealed class WebhookServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly SemaphoreSlim arrivals = new(0);

    private WebhookServer(WebApplication app) => this.app = app;

    public System.Collections.Concurrent.ConcurrentQueue<(string Body, Dictionary<string, string> Headers)> Received { get; } = new();

    public string Url => app.Urls.First() + "/hook";

    public static Task<WebhookServer> StartAsync(Func<HttpContext, IResult> answer) => StartAsync(context => Task.FromResult(answer(context)));

    public static async Task<WebhookServer> StartAsync(Func<HttpContext, Task<IResult>> answer)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var server = new WebhookServer(app);
        app.MapPost("/hook", async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            server.Received.Enqueue((await reader.ReadToEndAsync(), context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
            server.arrivals.Release();
            await (await answer(context)).ExecuteAsync(context);
        });
        await app.StartAsync();
        return server;
    }

    /// <summary>Waits for the next post.</summary>
    public Task Arrival() => arrivals.WaitAsync().DefaultTimeout();

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
