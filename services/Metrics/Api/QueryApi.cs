using Grpc.Core;
using Microsoft.Extensions.Options;
using Orleans;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.V1;
using Vigil.Metrics.Watch;
using Vigil.Metrics.Watch.Incremental;
using Vigil.ServiceDefaults;
using Refusal = Vigil.ServiceDefaults.Refusal;

namespace Vigil.Metrics.Api;

/// <summary><c>vigil.metrics.v1.MetricsQuery</c>.</summary>
[RequireScope(Scope.Read)]
internal sealed class QueryApi(
    QueryCoordinator coordinator, StreamLimits limits, WatchCallers callers, PlanCompiler compiler, MetricsInstruments instruments, IGrainFactory grains, IOptions<MetricsOptions> options, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<QueryApi> log)
    : MetricsQuery.MetricsQueryBase
{
    public override async Task<QueryResponse> Query(QueryRequest request, ServerCallContext context)
    {
        if (request.Expr.Length > options.Value.MaxExpressionLength)
            throw Refusal.Invalid("expr", $"{request.Expr.Length} characters; at most {options.Value.MaxExpressionLength} are allowed (Metrics:{nameof(MetricsOptions.MaxExpressionLength)})").ToException();
        if (!PromQlParser.TryParse(request.Expr, out var expr, out var error)) throw Refusal.Invalid("expr", error.ToString()).ToException();
        var time = request.TimeUnixMs == 0 ? clock.GetUtcNow().ToUnixTimeMilliseconds() : request.TimeUnixMs;
        try
        {
            var outcome = await coordinator.InstantAsync(request.Expr, expr, time, new QueryTerms("instant", context.GetHttpContext().GetActor()), context.CancellationToken).ConfigureAwait(false);
            return QueryMapping.ToResponse(outcome.Result.Value, time);
        }
        catch (EvaluationException e)
        {
            throw new RefusalException(RefusalKind.FailedPrecondition, e.Message);
        }
    }

    public override async Task Watch(IAsyncStreamReader<WatchRequest> requestStream, IServerStreamWriter<WatchEvent> responseStream, ServerCallContext context)
    {
        using var place = EnterWatch();
        using var caller = callers.Enter(context.GetHttpContext().GetToken());
        using var session = new WatchSession(grains, responseStream, caller, compiler, options.Value, clock, instruments, log, context.CancellationToken);
        await session.RunAsync(requestStream, lifetime.ApplicationStopping).ConfigureAwait(false);
    }

    private IDisposable EnterWatch()
    {
        try
        {
            return limits.EnterWatch();
        }
        catch (RefusalException)
        {
            instruments.WatchesRefused.Add(1, new KeyValuePair<string, object?>("limit", nameof(MetricsOptions.MaxWatchStreams)));
            throw;
        }
    }
}
