using Grpc.Core;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>The streaming way in: <c>vigil.metrics.v1.MetricsIngest</c>.</summary>
[RequireScope(Scope.Ingest)]
internal sealed class IngestApi(
    SeriesRouter router, SampleColumnsPool columns, SeriesRules rules, StreamLimits limits, PushCallers callers, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments, IHostApplicationLifetime lifetime, ILogger<IngestApi> log)
    : IngestBase
{
    private const int MaxStreamIdLength = 64;

    public override async Task Push(IAsyncStreamReader<PushMessage> requestStream, IServerStreamWriter<PushResponse> responseStream, ServerCallContext context)
    {
        try
        {
            await PushAsync(requestStream, responseStream, context).ConfigureAwait(false);
        }
        catch (RefusalException e)
        {
            instruments.RefuseRequest(Door.Push, RefusalStatus.Reason(e.Refusal.Kind));
            throw;
        }
    }

    private async Task PushAsync(IAsyncStreamReader<PushMessage> requestStream, IServerStreamWriter<PushResponse> responseStream, ServerCallContext context)
    {
        using var place = limits.EnterPush();
        var open = await ReadOpenAsync(requestStream, context.CancellationToken).ConfigureAwait(false);
        if (open is null) return;
        MetricsLog.PushOpened(log, open.StreamId, context.GetHttpContext().GetActor());
        using var caller = callers.Enter(context.GetHttpContext().GetToken());
        var series = new PushSeries(router, rules, caller, options.Value);
        var session = new PushSession(open.StreamId, open.Labels, series, router, columns, options.Value, clock, instruments);
        var reason = "closed by the caller";
        try
        {
            await session.RunAsync(requestStream, responseStream, lifetime.ApplicationStopping, context.CancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            reason = e.Message;
            throw;
        }
        finally
        {
            MetricsLog.PushEnded(log, open.StreamId, session.Acknowledged, reason);
        }
    }

    private static async Task<Open?> ReadOpenAsync(IAsyncStreamReader<PushMessage> requests, CancellationToken ct)
    {
        // A caller that opens a stream and closes it without a word has done nothing wrong.
        if (!await requests.MoveNext(ct).ConfigureAwait(false)) return null;
        var open = requests.Current.Open ?? throw Refusal("message", "the first message must be open");
        if (open.StreamId.Length is 0 or > MaxStreamIdLength || !open.StreamId.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw Refusal("open.stream_id", $"1 to {MaxStreamIdLength} characters of [A-Za-z0-9._-] are needed");
        foreach (var (name, _) in open.Labels)
        {
            if (!SeriesRules.IsName(name)) throw Refusal($"open.labels[{name}]", "a label has a name");
        }
        return open;
    }

    private static RefusalException Refusal(string field, string description) => ServiceDefaults.Refusal.Invalid(field, description).ToException();
}
