using System.Net.Http.Json;
using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class HttpErrorTests
{
    [Theory]
    [InlineData(RefusalKind.InvalidArgument, 400)]
    [InlineData(RefusalKind.NotFound, 404)]
    [InlineData(RefusalKind.Conflict, 409)]
    [InlineData(RefusalKind.FailedPrecondition, 409)]
    [InlineData(RefusalKind.ResourceExhausted, 429)]
    [InlineData(RefusalKind.Unavailable, 503)]
    [InlineData(RefusalKind.Timeout, 504)]
    [InlineData(RefusalKind.TooOld, 400)]
    public async Task Refusal_Thrown_IsAProblem(RefusalKind kind, int status)
    {
        var (code, body, _) = await GetAsync(() => throw new Refusal(kind, "no", [new FieldViolation("f", "bad")]).ToException());

        Assert.Equal(status, code);
        Assert.Equal(status, body.GetProperty("status").GetInt32());
        Assert.Equal("no", body.GetProperty("detail").GetString());
        Assert.Equal("f", body.GetProperty("errors")[0].GetProperty("field").GetString());
    }

    [Fact]
    public async Task Exception_Unexpected_Is500WithAnIdThatTheLogHas()
    {
        var (code, body, logs) = await GetAsync(() => throw new InvalidOperationException("secret detail"));

        Assert.Equal(500, code);
        Assert.DoesNotContain("secret", body.ToString());
        Assert.Contains(body.GetProperty("errorId").GetString()!, Assert.Single(logs.All, l => l.Event == "UnexpectedError").Text);
    }

    [Fact]
    public async Task RpcException_OfAnotherService_HasItsHttpStatus()
    {
        var (code, _, _) = await GetAsync(() => throw new RpcException(new Status(StatusCode.Unavailable, "down")));

        Assert.Equal(503, code);
    }

    [Theory]
    [InlineData("read-token", 400)]
    [InlineData(null, 401)]
    public async Task ErrorFormat_OnAnEndpoint_IsUsedForItsErrors(string? token, int status)
    {
        await using var service = await TestService.StartAsync(null, app =>
            app.MapGet("/api", () => { throw Refusal.Invalid("query", "bad").ToException(); }).RequireScope(Scope.Read).WithErrorFormat(new OwnFormat()));
        using var client = service.Client(token);

        using var response = await client.GetAsync("/api").DefaultTimeout();

        Assert.Equal(status, (int)response.StatusCode);
        Assert.StartsWith("own: ", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Body_OverTheLimit_Is413()
    {
        await using var service = await TestService.StartAsync(null,
            app => app.MapPost("/in", async (HttpContext c) => { await c.Request.Body.CopyToAsync(Stream.Null); return "ok"; }).RequireScope(Scope.Read),
            new() { ["Listen:MaxRequestBytes"] = "1024" });
        using var client = service.Client("read-token");

        Assert.Equal(200, (int)(await client.PostAsync("/in", new ByteArrayContent(new byte[1024])).DefaultTimeout()).StatusCode);
        Assert.Equal(413, (int)(await client.PostAsync("/in", new ByteArrayContent(new byte[1025])).DefaultTimeout()).StatusCode);
    }

    private static async Task<(int Status, JsonElement Body, LogLines Logs)> GetAsync(Action act)
    {
        await using var service = await TestService.StartAsync(null, app => app.MapGet("/x", () => { act(); return "ok"; }).RequireScope(Scope.Read));
        using var client = service.Client("read-token");
        using var response = await client.GetAsync("/x").DefaultTimeout();
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        return ((int)response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(), service.Logs);
    }

    private sealed class OwnFormat : IHttpErrorFormat
    {
        public Task WriteAsync(HttpContext context, EdgeError error) => context.Response.WriteAsync($"own: {error.Reason}");
    }
}
