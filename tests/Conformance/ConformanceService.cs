using System.Collections.Concurrent;
using Google.Protobuf;
using Grpc.Core;

namespace Vigil.Conformance;

/// <summary>What a test knows of one call inside the server: that it began, that it was cancelled; and the means to let it go on.</summary>
public sealed class Probe
{
    private readonly TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int written;

    public Task Started => started.Task;
    public Task Cancelled => cancelled.Task;
    public Task Released => released.Task;
    public int Written => Volatile.Read(ref written);

    /// <summary>The connections that its calls came on.</summary>
    public ConcurrentDictionary<string, int> Connections { get; } = new();

    public void Begin(CancellationToken call)
    {
        started.TrySetResult();
        call.UnsafeRegister(static p => ((Probe)p!).cancelled.TrySetResult(), this);
    }

    public void Release() => released.TrySetResult();
    public void CountWritten() => Interlocked.Increment(ref written);
}

public sealed class Probes
{
    private readonly ConcurrentDictionary<string, Probe> probes = new();

    public Probe this[string name] => probes.GetOrAdd(name, _ => new Probe());
}

public sealed class ConformanceService(Probes probes, Func<Conformance.ConformanceClient> self) : Conformance.ConformanceBase
{
    public override async Task<Answer> Echo(Ask request, ServerCallContext context)
    {
        var headers = new Metadata();
        foreach (var entry in context.RequestHeaders)
        {
            if (entry.Key.StartsWith("x-h", StringComparison.Ordinal)) headers.Add(entry);
            if (entry.Key.StartsWith("x-t", StringComparison.Ordinal)) context.ResponseTrailers.Add(entry);
        }
        if (headers.Count > 0) await context.WriteResponseHeadersAsync(headers);
        return new Answer { Payload = request.Payload, Text = request.Text };
    }

    public override async Task<Answer> Packed(Ask request, ServerCallContext context)
    {
        await context.WriteResponseHeadersAsync(new Metadata { { "grpc-internal-encoding-request", "gzip" } });
        return new Answer { Payload = request.Payload, Text = request.Text };
    }

    public override async Task<Answer> Collect(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
    {
        var answer = new Answer();
        await foreach (var ask in requestStream.ReadAllAsync(context.CancellationToken))
        {
            answer.Number++;
            answer.Total += ask.Payload.Length;
        }
        return answer;
    }

    public override async Task<Answer> CollectLate(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
    {
        var probe = Begin(context.RequestHeaders.GetValue("probe") ?? "", context);
        await probe.Released.WaitAsync(context.CancellationToken);
        return await Collect(requestStream, context);
    }

    public override async Task Expand(Ask request, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        var probe = Begin(request.Probe, context);
        var payload = ByteString.CopyFrom(new byte[request.Size]);
        for (var i = 0; i < request.Count; i++)
        {
            await responseStream.WriteAsync(new Answer { Number = i, Payload = payload });
            probe.CountWritten();
        }
        if (request.Code != 0) throw new RpcException(new Status((StatusCode)request.Code, request.Text));
    }

    public override async Task Chat(IAsyncStreamReader<Ask> requestStream, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        Begin(context.RequestHeaders.GetValue("probe") ?? "", context);
        await foreach (var ask in requestStream.ReadAllAsync(context.CancellationToken))
        {
            if (ask.Code != 0) throw new RpcException(new Status((StatusCode)ask.Code, ask.Text));
            await responseStream.WriteAsync(new Answer { Payload = ask.Payload, Text = ask.Text, Number = ask.Count });
        }
    }

    public override Task<Answer> Fail(Ask request, ServerCallContext context)
    {
        if (request.Code == 0) return Task.FromResult(new Answer { Text = request.Text });
        var trailers = new Metadata();
        if (!request.Payload.IsEmpty) trailers.Add("grpc-status-details-bin", request.Payload.ToByteArray());
        throw new RpcException(new Status((StatusCode)request.Code, request.Text), trailers);
    }

    public override async Task<Answer> Wait(Ask request, ServerCallContext context)
    {
        await Begin(request.Probe, context).Released.WaitAsync(context.CancellationToken);
        return new Answer { Text = "released" };
    }

    public override Task<Answer> TimeLeft(Ask request, ServerCallContext context) => Task.FromResult(new Answer
    {
        Number = context.Deadline == DateTime.MaxValue ? -1 : (long)(context.Deadline - TimeProvider.System.GetUtcNow().UtcDateTime).TotalMilliseconds,
    });

    public override async Task<Answer> Relay(Ask request, ServerCallContext context) =>
        await self().WaitAsync(new Ask { Probe = request.Probe }, deadline: context.Deadline, cancellationToken: context.CancellationToken);

    private Probe Begin(string name, ServerCallContext context)
    {
        var probe = probes[name];
        probe.Connections.AddOrUpdate(context.GetHttpContext().Connection.Id, 1, (_, calls) => calls + 1);
        probe.Begin(context.CancellationToken);
        return probe;
    }
}
