using System.Net.Sockets;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class ShutdownTests
{
    [Fact]
    public async Task Stop_RunningCalls_FinishWhileNewOnesAreRefused()
    {
        await using var host = await ProbeHost.StartAsync();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (note, _) =>
        {
            entered.TrySetResult();
            await release.Task;
            return note;
        };
        using var chat = host.Wire.Open(WireClient.Chat);
        await chat.SendAsync(new Note { Number = 1 }).DefaultTimeout();
        using var http = await chat.Response.DefaultTimeout();
        var body = await http.Content.ReadAsStreamAsync().DefaultTimeout();
        Assert.NotNull(await Wire.ReadFrameAsync(body).DefaultTimeout());
        var running = host.Wire.CallAsync(WireClient.Unary, new Note { Text = "running" });
        await entered.Task.DefaultTimeout();

        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stopping.SetResult);
        var stop = host.StopAsync();
        await stopping.Task.DefaultTimeout();
        // The listener closes at its own pace; from then on nobody new gets in.
        await Waiting.Until(async () => await Record.ExceptionAsync(async () =>
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync("127.0.0.1", host.Wire.Address.Port);
        }) is SocketException, "new connections are refused");

        await chat.SendAsync(new Note { Number = 2 }).DefaultTimeout();
        var frame = await Wire.ReadFrameAsync(body).DefaultTimeout();
        Assert.Equal(2, Note.Parser.ParseFrom(frame!.Payload).Number);
        Assert.False(stop.IsCompleted);
        chat.Complete();
        Assert.Null(await Wire.ReadFrameAsync(body).DefaultTimeout());
        Assert.Equal("0", http.TrailingHeaders.GetValues("grpc-status").Single());
        release.SetResult();
        Assert.Equal("running", (await running.DefaultTimeout()).Note.Text);
        await stop.DefaultTimeout();
    }
}
