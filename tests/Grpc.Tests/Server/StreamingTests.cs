using Google.Protobuf;
using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class StreamingTests
{
    [Fact]
    public async Task ClientStream_10000Messages_AllReadInOrder()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Collect = async (notes, _) =>
        {
            var next = 0;
            await foreach (var note in notes.ReadAllAsync()) Assert.Equal(next++, note.Number);
            return new Note { Number = next };
        };
        byte[] body = [.. Enumerable.Range(0, 10_000).SelectMany(i => Wire.Frame(new Note { Number = i, Text = "some text to fill it" }))];
        var response = await host.Wire.CallAsync(WireClient.Collect, body).DefaultTimeout();
        Assert.Equal(10_000, response.Note.Number);
        Assert.Equal(0, response.Status);
    }

    [Fact]
    public async Task ClientStream_LargeMessages_AllRead()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Collect = async (notes, _) =>
        {
            var sum = new Note();
            await foreach (var note in notes.ReadAllAsync()) sum.Number += note.Data.Length;
            return sum;
        };
        // Larger than the stream's flow-control window, so that the server must let go of it while a message is incomplete.
        byte[] body = [.. Enumerable.Range(0, 8).SelectMany(_ => Wire.Frame(new Note { Data = ByteString.CopyFrom(new byte[3_000_000]) }))];
        Assert.Equal(24_000_000, (await host.Wire.CallAsync(WireClient.Collect, body).DefaultTimeout()).Note.Number);
    }

    [Fact]
    public async Task ClientStream_Empty_Answered()
    {
        await using var host = await ProbeHost.StartAsync();
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Collect, []).DefaultTimeout()).Note.Number);
    }

    [Fact]
    public async Task ClientStream_AnsweredBeforeItsEnd_CallEnds()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Collect = async (notes, _) =>
        {
            await notes.MoveNext();
            return notes.Current;
        };
        using var call = host.Wire.Open(WireClient.Collect);
        await call.SendAsync(new Note { Number = 5 }).DefaultTimeout();
        var response = await call.ReadToEndAsync().DefaultTimeout();
        Assert.Equal((5, 0), (response.Note.Number, response.Status));
    }

    [Fact]
    public async Task ClientStream_CutInsideMessage_Internal()
    {
        await using var host = await ProbeHost.StartAsync();
        byte[] body = [.. Wire.Frame(new Note { Number = 1 }), 0, 0, 0, 0, 9, 1];
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Collect, body).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task ClientStream_ReadAfterHandlerReturned_Throws()
    {
        await using var host = await ProbeHost.StartAsync();
        IAsyncStreamReader<Note>? kept = null;
        host.Script.Collect = (notes, _) =>
        {
            kept = notes;
            return Task.FromResult(new Note());
        };
        await host.Wire.CallAsync(WireClient.Collect, new Note()).DefaultTimeout();
        await Assert.ThrowsAsync<InvalidOperationException>(() => kept!.MoveNext()).DefaultTimeout();
    }

    [Fact]
    public async Task ServerStream_10000Messages_AllSentInOrder()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Expand, new Note { Number = 10_000 }).DefaultTimeout();
        Assert.Equal(Enumerable.Range(0, 10_000), response.Notes.Select(n => n.Number));
        Assert.Equal("0", response.Trailer("grpc-status"));
    }

    [Fact]
    public async Task ServerStream_BufferHint_SentWithTheNextOrTheEnd()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Expand = async (_, notes, _) =>
        {
            notes.WriteOptions = new WriteOptions(WriteFlags.BufferHint);
            for (var i = 0; i < 100; i++) await notes.WriteAsync(new Note { Number = i });
        };
        Assert.Equal(100, (await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout()).Notes.Count);
    }

    [Fact]
    public async Task ServerStream_Empty_StatusOnly()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout();
        Assert.Empty(response.Frames);
        Assert.Equal(0, response.Status);
    }

    [Fact]
    public async Task ServerStream_SlowReader_WriterWaits()
    {
        await using var host = await ProbeHost.StartAsync();
        var written = 0;
        var blocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var chunk = new Note { Data = ByteString.CopyFrom(new byte[64 * 1024]) };
        host.Script.Expand = async (_, notes, context) =>
        {
            for (; written < 1_000; written++)
            {
                var write = notes.WriteAsync(chunk, context.CancellationToken);
                if (!write.IsCompleted) blocked.TrySetResult();
                await write;
            }
            ended.SetResult();
        };
        using var call = host.Wire.Open(WireClient.Expand);
        await call.SendAsync(new Note()).DefaultTimeout();
        call.Complete();
        using var http = await call.Response.DefaultTimeout();
        await blocked.Task.DefaultTimeout();
        // 64 MB are to come; the transport holds no more than windows and buffers, a few MB at most. Another call's round trip
        // on the same connection gives the writer every chance to run ahead.
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
        Assert.InRange(written, 0, 400);
        Assert.False(ended.Task.IsCompleted);

        var body = await http.Content.ReadAsStreamAsync().DefaultTimeout();
        for (var i = 0; i < 1_000; i++) Assert.NotNull(await Wire.ReadFrameAsync(body).DefaultTimeout());
        await ended.Task.DefaultTimeout();
        Assert.Equal(1_000, written);
    }

    [Fact]
    public async Task ServerStream_TwoWritesAtOnce_SecondThrows()
    {
        await using var host = await ProbeHost.StartAsync();
        var seen = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var large = new Note { Data = ByteString.CopyFrom(new byte[8_000_000]) };
        host.Script.Expand = async (_, notes, _) =>
        {
            var first = notes.WriteAsync(large);
            seen.SetResult(await Record.ExceptionAsync(() => notes.WriteAsync(large)));
            await first;
        };
        using var call = host.Wire.Open(WireClient.Expand);
        await call.SendAsync(new Note()).DefaultTimeout();
        call.Complete();
        Assert.IsType<InvalidOperationException>(await seen.Task.DefaultTimeout());
        Assert.Single((await call.ReadToEndAsync().DefaultTimeout()).Frames);
    }

    [Fact]
    public async Task ServerStream_MessageTooLarge_RefusedAndTheStreamGoesOn()
    {
        await using var host = await ProbeHost.StartAsync(o => o.MaxSendMessageSize = 100);
        host.Script.Expand = async (_, notes, _) =>
        {
            await notes.WriteAsync(new Note { Number = 1 });
            var refused = await Assert.ThrowsAsync<RpcException>(() => notes.WriteAsync(new Note { Text = new string('x', 200) }));
            Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
            await notes.WriteAsync(new Note { Number = 2 });
        };
        var response = await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout();
        Assert.Equal([1, 2], response.Notes.Select(n => n.Number));
        Assert.Equal(0, response.Status);
    }

    [Fact]
    public async Task Duplex_PingPong_EachAnsweredBeforeTheNext()
    {
        await using var host = await ProbeHost.StartAsync();
        using var call = host.Wire.Open(WireClient.Chat);
        await call.SendAsync(new Note { Number = 0 }).DefaultTimeout();
        using var http = await call.Response.DefaultTimeout();
        var body = await http.Content.ReadAsStreamAsync().DefaultTimeout();
        for (var i = 0; i < 200; i++)
        {
            var frame = await Wire.ReadFrameAsync(body).DefaultTimeout();
            Assert.Equal(i, Note.Parser.ParseFrom(frame!.Payload).Number);
            if (i < 199) await call.SendAsync(new Note { Number = i + 1 }).DefaultTimeout();
        }
        call.Complete();
        Assert.Null(await Wire.ReadFrameAsync(body).DefaultTimeout());
        Assert.Equal("0", http.TrailingHeaders.GetValues("grpc-status").Single());
    }

    [Fact]
    public async Task Cancel_ByCaller_CancelsHandlersToken()
    {
        await using var host = await ProbeHost.StartAsync();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Unary = async (note, context) =>
        {
            entered.SetResult();
            await using var _ = context.CancellationToken.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return note;
        };
        using var call = host.Wire.Open(WireClient.Unary);
        await call.SendAsync(new Note()).DefaultTimeout();
        call.Complete();
        await entered.Task.DefaultTimeout();
        await call.CancelAsync().DefaultTimeout();
        await cancelled.Task.DefaultTimeout();
        await Assert.ThrowsAnyAsync<Exception>(() => call.Response).DefaultTimeout();
    }

    [Fact]
    public async Task Cancel_MidStream_WakesReaderAndWriterAndLeavesTheConnection()
    {
        await using var host = await ProbeHost.StartAsync();
        var reader = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var writer = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Script.Chat = async (requests, responses, context) =>
        {
            await requests.MoveNext(context.CancellationToken);
            await responses.WriteAsync(requests.Current);
            reader.SetResult(await Record.ExceptionAsync(() => requests.MoveNext(CancellationToken.None)));
            writer.SetResult(await Record.ExceptionAsync(() => responses.WriteAsync(new Note())));
        };
        using (var call = host.Wire.Open(WireClient.Chat))
        {
            await call.SendAsync(new Note { Number = 1 }).DefaultTimeout();
            using var http = await call.Response.DefaultTimeout();
            Assert.NotNull(await Wire.ReadFrameAsync(await http.Content.ReadAsStreamAsync()).DefaultTimeout());
            await call.CancelAsync().DefaultTimeout();
            Assert.NotNull(await reader.Task.DefaultTimeout());
            Assert.NotNull(await writer.Task.DefaultTimeout());
        }
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
    }
}
