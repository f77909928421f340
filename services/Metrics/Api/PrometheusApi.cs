using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>Prometheus' HTTP API for queries, under <c>/api/v1</c>: what Grafana and promtool ask. Needs the scope read.</summary>
internal sealed class PrometheusApi(QueryCoordinator coordinator, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments)
{
    private static readonly string[] GetOrPost = [HttpMethods.Get, HttpMethods.Post];

    /// <summary>Maps the endpoints.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var api = ActivatorUtilities.CreateInstance<PrometheusApi>(endpoints.ServiceProvider);
        var group = endpoints.MapGroup("/api/v1").RequireScope(Scope.Read).WithErrorFormat(PrometheusErrorFormat.Instance);
        group.MapMethods("/query", GetOrPost, api.Answer(api.QueryAsync));
        group.MapMethods("/query_range", GetOrPost, api.Answer(api.QueryRangeAsync));
        group.MapMethods("/series", GetOrPost, api.Answer(api.SeriesAsync));
        group.MapMethods("/labels", GetOrPost, api.Answer(api.LabelsAsync));
        group.MapGet("/label/{name}/values", api.Answer(api.LabelValuesAsync));
        group.MapMethods("/format_query", GetOrPost, api.Answer(api.FormatQueryAsync));
        group.MapMethods("/parse_query", GetOrPost, api.Answer(api.ParseQueryAsync));
        group.MapGet("/status/buildinfo", api.Answer(BuildInfoAsync));
    }

    /// <summary>What an endpoint answers.</summary>
    private readonly record struct Reply(Action<Utf8JsonWriter> Data, IReadOnlyList<string> Warnings, IReadOnlyList<string> Infos)
    {
        public Reply(Action<Utf8JsonWriter> data) : this(data, [], []) { }
    }

    private async Task<Reply> QueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Limit();
        var time = parameters.Time("time", clock.GetUtcNow().ToUnixTimeMilliseconds());
        using var deadline = Deadline(context, parameters);
        var (text, expr) = Parse(parameters);
        var outcome = await coordinator.InstantAsync(text, expr, time, null, deadline.Token).ConfigureAwait(false);
        return Value(outcome.Result, limit);
    }

    private async Task<Reply> QueryRangeAsync(HttpContext context, PrometheusParameters parameters)
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
        var outcome = await coordinator.RangeAsync(text, expr, grid, deadline.Token).ConfigureAwait(false);
        return Value(outcome.Result, limit);
    }

    private async Task<Reply> SeriesAsync(HttpContext context, PrometheusParameters parameters)
    {
        if (parameters.All("match[]").Count == 0) throw PrometheusException.BadData("no match[] parameter provided");
        var limit = parameters.Limit();
        var found = await FindAsync(context, parameters).ConfigureAwait(false);
        var sorted = found.ToArray();
        Array.Sort(sorted, LabelOrder.Compare);
        return Cut(sorted, limit, (json, labels) => PrometheusJson.WriteLabels(json, labels));
    }

    private async Task<Reply> LabelsAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Limit();
        var found = await FindAsync(context, parameters).ConfigureAwait(false);
        var names = found.SelectMany(l => l.AsLabels()).Select(l => l.Name).ToHashSet(StringComparer.Ordinal);
        return Cut(names.Order(StringComparer.Ordinal).ToArray(), limit, static (json, name) => json.WriteStringValue(name));
    }

    private async Task<Reply> LabelValuesAsync(HttpContext context, PrometheusParameters parameters)
    {
        var name = LabelEscaping.Unescape((string)context.Request.RouteValues["name"]!);
        if (!LabelNames.IsValid(name)) throw PrometheusException.BadData($"invalid label name: {GoText.Quote(name)}");
        var limit = parameters.Limit();
        var found = await FindAsync(context, parameters).ConfigureAwait(false);
        var values = found.Select(l => l.Get(name)).Where(v => v.Length > 0).ToHashSet(StringComparer.Ordinal);
        return Cut(values.Order(StringComparer.Ordinal).ToArray(), limit, static (json, value) => json.WriteStringValue(value));
    }

    private Task<Reply> FormatQueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var (_, expr) = Parse(parameters);
        return Task.FromResult(new Reply(json => json.WriteStringValue(Formatter.Format(expr))));
    }

    private Task<Reply> ParseQueryAsync(HttpContext context, PrometheusParameters parameters)
    {
        var (_, expr) = Parse(parameters);
        return Task.FromResult(new Reply(json => PrometheusAst.Write(json, expr)));
    }

    /// <summary>Clients read the version to know what they may ask: it is Prometheus', whose API this is; ours stands beside it.</summary>
    private static Task<Reply> BuildInfoAsync(HttpContext context, PrometheusParameters parameters) => Task.FromResult(new Reply(json =>
    {
        json.WriteStartObject();
        json.WriteString("version", "3.0.0");
        json.WriteString("revision", typeof(PrometheusApi).Assembly.GetName().Version?.ToString(3));
        json.WriteString("branch", "vigil");
        json.WriteString("buildUser", "");
        json.WriteString("buildDate", "");
        json.WriteString("goVersion", RuntimeInformation.FrameworkDescription);
        json.WriteEndObject();
    }));

    /// <summary>The series that any of the match[] selectors finds in the time asked for; all of them where none is given.</summary>
    private async Task<HashSet<LabelSet>> FindAsync(HttpContext context, PrometheusParameters parameters)
    {
        var now = clock.GetUtcNow();
        var from = parameters.Time("start", (now - options.Value.Retention).ToUnixTimeMilliseconds());
        var to = parameters.Time("end", (now + options.Value.MaxAhead).ToUnixTimeMilliseconds());
        var selectors = new List<IReadOnlyList<LabelMatcher>>();
        foreach (var text in parameters.All("match[]"))
        {
            selectors.Add(PromQlParser.TryParseSelector(text ?? "", out var selector, out var error)
                ? selector.Matchers
                : throw PrometheusException.BadParameter("match[]", error.ToString()));
        }
        if (selectors.Count == 0) selectors.Add([]);
        var found = new HashSet<LabelSet>();
        foreach (var matchers in selectors)
        {
            foreach (var series in await coordinator.SeriesAsync(matchers, from, to, context.RequestAborted).ConfigureAwait(false)) found.Add(series.Labels);
        }
        return found;
    }

    private (string Text, Expr Expr) Parse(PrometheusParameters parameters)
    {
        var text = parameters.Text("query");
        if (text.Length > options.Value.MaxExpressionLength)
        {
            throw PrometheusException.BadParameter("query",
                $"{text.Length} characters; at most {options.Value.MaxExpressionLength} are allowed (Metrics:{nameof(MetricsOptions.MaxExpressionLength)})");
        }
        if (parameters.Text("lookback_delta").Length > 0)
            throw PrometheusException.BadParameter("lookback_delta", "it is 5m here and cannot be chosen by the caller");
        return PromQlParser.TryParse(text, out var expr, out var error) ? (text, expr) : throw PrometheusException.BadParameter("query", error.ToString());
    }

    /// <summary>Ends with the request, or earlier where the caller sets a timeout.</summary>
    private CancellationTokenSource Deadline(HttpContext context, PrometheusParameters parameters)
    {
        var timeout = parameters.Duration("timeout");
        if (timeout <= 0) throw TimedOut();
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        // The service's own limit is shorter than anything a timer cannot hold.
        if (timeout is { } milliseconds && milliseconds < int.MaxValue) deadline.CancelAfter(TimeSpan.FromMilliseconds(milliseconds));
        return deadline;
    }

    private static Reply Value(QueryResult result, int limit)
    {
        var (value, cut) = result.Value switch
        {
            VectorValue vector when limit > 0 && vector.Elements.Count > limit => (vector with { Elements = vector.Elements.Take(limit).ToArray() }, true),
            MatrixValue matrix when limit > 0 && matrix.Series.Count > limit => (matrix with { Series = matrix.Series.Take(limit).ToArray() }, true),
            _ => (result.Value, false),
        };
        return new(json => PrometheusJson.WriteValue(json, value), cut ? [.. result.Warnings, Truncated] : result.Warnings, result.Infos);
    }

    private static Reply Cut<T>(T[] items, int limit, Action<Utf8JsonWriter, T> write)
    {
        var cut = limit > 0 && items.Length > limit;
        return new(json =>
        {
            json.WriteStartArray();
            foreach (var item in cut ? items.AsSpan(0, limit) : items) write(json, item);
            json.WriteEndArray();
        }, cut ? [Truncated] : [], []);
    }

    private const string Truncated = "results truncated due to limit";

    private static PrometheusException TimedOut() =>
        new(StatusCodes.Status503ServiceUnavailable, "timeout", "query timed out in expression evaluation");

    /// <summary>Every endpoint: reads the parameters, answers, and gives errors the API's form and status.</summary>
    private RequestDelegate Answer(Func<HttpContext, PrometheusParameters, Task<Reply>> endpoint) => async context =>
    {
        PrometheusException failure;
        try
        {
            var reply = await endpoint(context, await PrometheusParameters.ReadAsync(context.Request).ConfigureAwait(false)).ConfigureAwait(false);
            await PrometheusJson.WriteAsync(context, reply.Data, reply.Warnings, reply.Infos).ConfigureAwait(false);
            return;
        }
        catch (PrometheusException e)
        {
            failure = e;
        }
        catch (EvaluationException e)
        {
            failure = e.IsOfExpression ? PrometheusException.BadParameter("query", e.Message) : PrometheusException.Execution(e.Message);
        }
        catch (RefusalException e)
        {
            failure = PrometheusException.From(e.Refusal);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            failure = TimedOut();
        }
        instruments.QueriesRefused.Add(1, new KeyValuePair<string, object?>("type", failure.Type));
        context.Response.StatusCode = failure.Status;
        await PrometheusErrorFormat.WriteAsync(context, failure.Type, failure.Message).ConfigureAwait(false);
    };
}
