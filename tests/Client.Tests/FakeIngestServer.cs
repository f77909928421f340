using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Metrics.V1;
using Xunit;

namespace Vigil.Client.Tests;

/// <summary>What the server does with one frame.</summary>
internal enum Answer { Ack, AckAfterSignal, BreakBeforeAck, Refuse }

/// <summary>An ingest service that stores frames by (stream, sequence) and misbehaves as told.</summary>
internal sealed class FakeIngestServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private FakeIngestServer(WebApplication app, FakeIngest ingest) => (this.app, Ingest) = (app, ingest);

    public FakeIngest Ingest { get; }

    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public static async Task<FakeIngestServer> StartAsync(FakeIngest? ingest = null, int port = 0)
    {
        ingest ??= new FakeIngest();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ListenLocalhostOrAny(port));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(ingest);
        var app = builder.Build();
        app.MapGrpcService<FakeIngestService>();
        await app.StartAsync();
        return new FakeIngestServer(app, ingest);
    }

    public async ValueTask DisposeAsync()
    {
        Ingest.Stopping.Cancel();
        await app.StopAsync();
        await app.DisposeAsync();
    }
}

internal static class KestrelTestExtensions
{
    public static void ListenLocalhostOrAny(this KestrelServerOptions kestrel, int port) =>
        kestrel.Listen(System.Net.IPAddress.Loopback, port, o => o.Protocols = HttpProtocols.Http2);
}

internal sealed class FakeIngest
{
    /// <summary>Decides by (number of the connection from 1, sequence).</summary>
    public Func<int, ulong, Answer> Behaviour { get; set; } = (_, _) => Answer.Ack;

    public Status? TurnAway { get; set; }

    public TaskCompletionSource Signal { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A caller closed its side, and was answered to the end.</summary>
    public TaskCompletionSource EndedCleanly { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CancellationTokenSource Stopping { get; } = new();

    /// <summary>Values by (stream, sequence): a frame that comes twice must be the same.</summary>
    public ConcurrentDictionary<(string Stream, ulong Sequence), (string Series, long Time, double Value)[]> Stored { get; } = [];

    public ConcurrentQueue<ulong> Received { get; } = [];

    /// <summary>Numbers to forget before the frame is taken, by its sequence.</summary>
    public Func<ulong, IReadOnlyCollection<uint>> Forgets { get; set; } = _ => [];

    /// <summary>Refusals of a frame that name their series; the rest are summed up.</summary>
    public int MaxListed { get; set; } = int.MaxValue;

    /// <summary>Numbers in the order in which they were declared.</summary>
    public ConcurrentQueue<uint> Declared { get; } = [];

    public int Connections;
}

internal sealed class FakeIngestService(FakeIngest fake) : MetricsIngest.MetricsIngestBase
{
    public override async Task Push(IAsyncStreamReader<PushRequest> requests, IServerStreamWriter<PushResponse> responses, ServerCallContext context)
    {
        var connection = Interlocked.Increment(ref fake.Connections);
        if (fake.TurnAway is { } status) throw new RpcException(status);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, fake.Stopping.Token);
        var stream = "";
        var series = new Dictionary<uint, string>();
        while (await requests.MoveNext(ending.Token))
        {
            var request = requests.Current;
            switch (request.MessageCase)
            {
                case PushRequest.MessageOneofCase.Open:
                    stream = request.Open.StreamId;
                    await responses.WriteAsync(new PushResponse { Opened = new Opened { MaxSeries = 1000, MaxSamplesPerFrame = 65536, MaxFramesInFlight = 16 } });
                    break;
                case PushRequest.MessageOneofCase.Declare:
                    foreach (var s in request.Declare.Series)
                    {
                        series[s.Id] = s.Name;
                        fake.Declared.Enqueue(s.Id);
                    }
                    break;
                case PushRequest.MessageOneofCase.Frame:
                    if (!await TakeAsync(connection, stream, series, request.Frame, responses, ending.Token)) return;
                    break;
                default:
                    throw new RpcException(new Status(StatusCode.InvalidArgument, "empty request"));
            }
        }
        fake.EndedCleanly.TrySetResult();
    }

    private async Task<bool> TakeAsync(int connection, string stream, Dictionary<uint, string> series, Frame frame, IServerStreamWriter<PushResponse> responses, CancellationToken cancellationToken)
    {
        fake.Received.Enqueue(frame.Sequence);
        foreach (var id in fake.Forgets(frame.Sequence)) series.Remove(id);
        var samples = frame.SeriesIds.Select((id, i) => (Id: id, i)).Where(s => series.ContainsKey(s.Id))
            .Select(s => (series[s.Id], frame.BaseTimeUnixMs + frame.TimeOffsetsMs[s.i], frame.Values[s.i])).ToArray();
        var undeclared = frame.SeriesIds.Where(id => !series.ContainsKey(id)).GroupBy(id => id).ToArray();
        var stored = fake.Stored.GetOrAdd((stream, frame.Sequence), samples);
        Assert.Equal(stored, samples);
        var answer = fake.Behaviour(connection, frame.Sequence);
        if (answer == Answer.BreakBeforeAck) throw new RpcException(new Status(StatusCode.Unavailable, "going away"));
        if (answer == Answer.AckAfterSignal) await fake.Signal.Task.WaitAsync(cancellationToken);
        foreach (var s in undeclared.Take(fake.MaxListed))
            await RefuseAsync(new Refusal { SeriesId = s.Key, Samples = (uint)s.Count() });
        if (undeclared.Skip(fake.MaxListed).ToArray() is { Length: > 0 } rest)
            await RefuseAsync(new Refusal { Unlisted = (uint)rest.Length, Samples = (uint)rest.Sum(s => s.Count()) });
        var ack = new Ack { Sequence = frame.Sequence, Accepted = (uint)samples.Length, Refused = (uint)(frame.SeriesIds.Count - samples.Length) };
        if (answer == Answer.Refuse)
        {
            await responses.WriteAsync(new PushResponse { Refusal = new Refusal { Sequence = frame.Sequence, SeriesId = 1, Series = "x", Reason = RefusalReason.TooOld, Detail = "x: older than 1 h", Samples = 1 } }, cancellationToken);
            (ack.Accepted, ack.Refused) = (ack.Accepted - 1, 1);
        }
        await responses.WriteAsync(new PushResponse { Ack = ack }, cancellationToken);
        return true;

        Task RefuseAsync(Refusal refusal)
        {
            (refusal.Sequence, refusal.Reason, refusal.Detail) = (frame.Sequence, RefusalReason.UndeclaredSeries, "not declared on this stream");
            return responses.WriteAsync(new PushResponse { Refusal = refusal }, cancellationToken);
        }
    }
}
