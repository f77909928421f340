using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class ConnectionDrainTests
{
    // Without the cut a stop takes as long as this.
    private static readonly Dictionary<string, string?> Settings = new() { ["Listen:ShutdownTimeout"] = "00:05:00" };

    /// <summary>A caller that does not end its side of a call of which it has been told the end.</summary>
    [Fact]
    public async Task Stop_CallerThatNeverCloses_IsCutOnceAllIsAnswered()
    {
        await using var service = await TestService.StartAsync(settings: Settings, map: app => app.MapPost("/talk", async (HttpContext context, IHostApplicationLifetime lifetime) =>
        {
            await context.Response.Body.WriteAsync("x"u8.ToArray());
            await context.Response.Body.FlushAsync();
            var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var stopping = lifetime.ApplicationStopping.Register(stopped.SetResult);
            await stopped.Task;
            // The server has told its clients to go by then, which those that have a call open still do not.
            await Task.Delay(TimeSpan.FromMilliseconds(50), CancellationToken.None);
        }).RequireScope(Scope.Read));
        using var client = new HttpClient();
        using var silent = new SilentContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{service.Grpc}talk")
        {
            Content = silent,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.Authorization = new("Bearer", "read-token");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);

        await service.App.StopAsync().DefaultTimeout();

        silent.Ended.SetResult();
    }

    [Fact]
    public async Task Stop_RequestUnderWay_IsAnsweredFirst()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var service = await TestService.StartAsync(settings: Settings, map: app => app.MapGet("/slow", async () =>
        {
            entered.SetResult();
            await goOn.Task;
            return "answered";
        }).RequireScope(Scope.Read));
        using var client = service.Client("read-token");
        var answer = client.GetStringAsync("/slow");
        await entered.Task.DefaultTimeout();

        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = service.App.Lifetime.ApplicationStopping.Register(stopping.SetResult);
        var stop = service.App.StopAsync();
        await stopping.Task.DefaultTimeout();
        goOn.SetResult();

        Assert.Equal("answered", await answer.DefaultTimeout());
        await stop.DefaultTimeout();
    }

    private sealed class SilentContent : HttpContent
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("x"u8.ToArray());
            await stream.FlushAsync();
            await Ended.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
