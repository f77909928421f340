using System.Text.Json;
using Microsoft.Extensions.Options;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>Prometheus' HTTP API, under <c>/api/v1</c>: what Grafana and promtool ask. Needs the scope read. Here: what evaluates or reads expressions.</summary>
internal sealed class PrometheusApi(QueryCoordinator coordinator, IOptions<MetricsOptions> options, TimeProvider clock)
{
    /// <summary>The HTTP methods of endpoints whose parameters may be too long for a URL.</summary>
    public static readonly string[] GetOrPost = [HttpMethods.Get, HttpMethods.Post];

    /// <summary>What takes part in answering.</summary>
    public static void AddServices(IServiceCollection services)
    {
        services.AddSingleton<PrometheusCors>();
        services.AddSingleton<PrometheusEndpoint>();
        services.AddSingleton<AlertingView>();
        services.AddServiceChannel("alerting");
        services.AddResponseCompression(compression =>
        {
            compression.Providers.Add<Microsoft.AspNetCore.ResponseCompression.GzipCompressionProvider>();
            compression.MimeTypes = ["application/json", "text/plain"];
            // What is secret is in no answer, so that its length tells nothing.
            compression.EnableForHttps = true;
        });
    }

    /// <summary>Maps all of the API.</summary>
    public static void Map(WebApplication app)
    {
        app.UseWhen(static context => context.Request.Path.StartsWithSegments("/api/v1", StringComparison.Ordinal) || context.Request.Path == "/federate",
            static branch => branch.UseResponseCompression());
        var group = app.MapGroup("/api/v1").RequireScope(Scope.Read).WithErrorFormat(PrometheusErrorFormat.Instance);
        var endpoint = app.Services.GetRequiredService<PrometheusEndpoint>();
        ActivatorUtilities.CreateInstance<PrometheusApi>(app.Services).Map(group, endpoint);
        ActivatorUtilities.CreateInstance<PrometheusSeries>(app.Services).Map(group, endpoint);
        ActivatorUtilities.CreateInstance<PrometheusStatus>(app.Services).Map(group, endpoint);
        ActivatorUtilities.CreateInstance<PrometheusRules>(app.Services).Map(group, endpoint);
        ActivatorUtilities.CreateInstance<PrometheusFederation>(app.Services).Map(app);
        ActivatorUtilities.CreateInstance<PrometheusFallback>(app.Services).Map(app);
    }

    private void Map(RouteGroupBuilder group, PrometheusEndpoint endpoint)
    {
        group.MapMethods("/query", GetOrPost, endpoint.Answer(QueryAsync));
        group.MapMethods("/query_range", GetOrPost, endpoint.Answer(QueryRangeAsync));
        group.MapMethods("/query_exemplars", GetOrPost, endpoint.Answer(QueryExemplarsAsync));
        group.MapMethods("/format_query", GetOrPost, endpoint.Answer(FormatQueryAsync));
        group.MapMethods("/parse_query", GetOrPost, endpoint.Answer(ParseQueryAsync));
    }

    private async Task<PrometheusReply> QueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Limit();
        var time = parameters.Time("time", clock.GetUtcNow().ToUnixTimeMilliseconds());
        using var deadline = Deadline(context, parameters);
        var (text, expr) = Parse(parameters);
        var outcome = await coordinator.InstantAsync(text, expr, time, Terms("instant", context, parameters), deadline.Token).ConfigureAwait(false);
        return PrometheusReply.Value(outcome.Result, limit, Statistics(parameters, outcome));
    }

    private async Task<PrometheusReply> QueryRangeAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Limit();
        var grid = parameters.Grid();
        using var deadline = Deadline(context, parameters);
        var (text, expr) = Parse(parameters);
        if (expr.Type is not (ExprType.Scalar or ExprType.InstantVector))
        {
            throw PrometheusException.BadParameter("query",
                $"invalid expression type \"{expr.Type.Documented()}\" for range query, must be Scalar or instant Vector");
        }
        var outcome = await coordinator.RangeAsync(text, expr, grid, Terms("range", context, parameters), deadline.Token).ConfigureAwait(false);
        return PrometheusReply.Value(outcome.Result, limit, Statistics(parameters, outcome));
    }

    /// <summary>Exemplars are not kept, so that there are none: which is what Grafana is told of a Prometheus without their storage, too.</summary>
    private Task<PrometheusReply> QueryExemplarsAsync(HttpContext context, PrometheusParameters parameters)
    {
        if (parameters.Time("end", long.MaxValue) < parameters.Time("start", long.MinValue))
            throw PrometheusException.BadData("end timestamp must not be before start timestamp");
        _ = PromQlParser.TryParse(parameters.Text("query"), out _, out var error) ? true : throw PrometheusException.BadData(error.ToString());
        return Task.FromResult(PrometheusReply.Nothing);
    }

    private Task<PrometheusReply> FormatQueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var (_, expr) = Parse(parameters);
        return Task.FromResult(new PrometheusReply(json => json.WriteStringValue(PrettyFormatter.Format(expr))));
    }

    private Task<PrometheusReply> ParseQueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var (_, expr) = Parse(parameters);
        return Task.FromResult(new PrometheusReply(json => PrometheusAst.Write(json, expr)));
    }

    private (string Text, Expr Expr) Parse(PrometheusParameters parameters)
    {
        var text = parameters.Text("query");
        if (text.Length > options.Value.MaxExpressionLength)
        {
            throw PrometheusException.BadParameter("query",
                $"{text.Length} characters; at most {options.Value.MaxExpressionLength} are allowed (Metrics:{nameof(MetricsOptions.MaxExpressionLength)})");
        }
        return PromQlParser.TryParse(text, out var expr, out var error) ? (text, expr) : throw PrometheusException.BadParameter("query", error.ToString());
    }

    private static QueryTerms Terms(string kind, HttpContext context, PrometheusParameters parameters) =>
        new(kind, context.GetActor()) { LookbackMs = parameters.LookbackDelta() };

    /// <summary>Ends with the request, or earlier where the caller sets a timeout.</summary>
    private LinkedDeadline Deadline(HttpContext context, PrometheusParameters parameters)
    {
        var timeout = parameters.Duration("timeout");
        if (timeout <= 0) throw PrometheusException.TimedOut();
        // A longer one than the service's own changes nothing, and a timer may not hold it.
        return new LinkedDeadline(timeout < options.Value.QueryTimeout.TotalMilliseconds ? TimeSpan.FromMilliseconds(timeout.Value) : Timeout.InfiniteTimeSpan, clock, context.RequestAborted);
    }

    /// <summary>Times in seconds. One evaluation yields all steps, so that there are no numbers per step, as in a Prometheus whose feature for them is off.</summary>
    private static Action<Utf8JsonWriter>? Statistics(PrometheusParameters parameters, QueryOutcome outcome) => parameters.Text("stats").Length == 0 ? null : json =>
    {
        var times = outcome.Times;
        json.WriteStartObject("stats");
        json.WriteStartObject("timings");
        json.WriteNumber("evalTotalTime", (times.Fetched + times.Evaluated).TotalSeconds);
        json.WriteNumber("resultSortTime", 0);
        json.WriteNumber("queryPreparationTime", times.Fetched.TotalSeconds);
        json.WriteNumber("innerEvalTime", times.Evaluated.TotalSeconds);
        json.WriteNumber("execQueueTime", times.Queued.TotalSeconds);
        json.WriteNumber("execTotalTime", times.Total.TotalSeconds);
        json.WriteEndObject();
        json.WriteStartObject("samples");
        json.WriteNumber("totalQueryableSamples", outcome.Samples);
        json.WriteNumber("samplesRead", outcome.Samples);
        json.WriteNumber("peakSamples", outcome.Samples);
        json.WriteEndObject();
        json.WriteEndObject();
    };

    /// <summary>A token that is cancelled by another, or after a time.</summary>
    private sealed class LinkedDeadline : IDisposable
    {
        private readonly CancellationTokenSource timer;
        private readonly CancellationTokenSource both;

        public LinkedDeadline(TimeSpan after, TimeProvider clock, CancellationToken other)
        {
            timer = new CancellationTokenSource(after, clock);
            both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, other);
        }

        public CancellationToken Token => both.Token;

        public void Dispose()
        {
            both.Dispose();
            timer.Dispose();
        }
    }
}
