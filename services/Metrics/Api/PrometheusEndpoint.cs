using System.Text.Json;
using Vigil.Metrics.PromQL;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>What an endpoint of the Prometheus API answers.</summary>
/// <param name="Data">Writes the value of "data", part by part.</param>
/// <param name="Warnings">The answer may be wrong, or is not all of it.</param>
/// <param name="Infos">What was asked may not be what was meant.</param>
internal readonly record struct PrometheusReply(IEnumerable<Action<Utf8JsonWriter>> Data, IReadOnlyList<string> Warnings, IReadOnlyList<string> Infos)
{
    /// <summary>The warning on answers that were cut.</summary>
    private const string Truncated = "results truncated due to limit";

    public PrometheusReply(Action<Utf8JsonWriter> data) : this(data, [], []) { }

    public PrometheusReply(Action<Utf8JsonWriter> data, IReadOnlyList<string> warnings, IReadOnlyList<string> infos) : this([data], warnings, infos) { }

    /// <summary>An empty list.</summary>
    public static readonly PrometheusReply Nothing = new(static json =>
    {
        json.WriteStartArray();
        json.WriteEndArray();
    });

    /// <summary>A list of which no more than <paramref name="limit"/> are shown; 0 for all.</summary>
    public static PrometheusReply List<T>(T[] items, int limit, Action<Utf8JsonWriter, T> write)
    {
        var cut = limit > 0 && items.Length > limit;
        return new(json =>
        {
            json.WriteStartArray();
            foreach (var item in cut ? items.AsSpan(0, limit) : items) write(json, item);
            json.WriteEndArray();
        }, cut ? [Truncated] : [], []);
    }

    /// <summary>The value of a query, of which no more than <paramref name="limit"/> series are shown; 0 for all.</summary>
    public static PrometheusReply Value(QueryResult result, int limit, Action<Utf8JsonWriter>? more)
    {
        var (value, cut) = result.Value switch
        {
            VectorValue vector when limit > 0 && vector.Elements.Count > limit => (vector with { Elements = vector.Elements.Take(limit).ToArray() }, true),
            MatrixValue matrix when limit > 0 && matrix.Series.Count > limit => (matrix with { Series = matrix.Series.Take(limit).ToArray() }, true),
            _ => (result.Value, false),
        };
        return new(PrometheusValues.Parts(value, more), cut ? [.. result.Warnings, Truncated] : result.Warnings, result.Infos);
    }
}

/// <summary>What every endpoint does: reads the parameters, answers, and gives errors the API's form and status.</summary>
internal sealed class PrometheusEndpoint(PrometheusCors cors, MetricsInstruments instruments)
{
    /// <summary>Nobody reads it any more; nginx' number for a client that went away, which Prometheus uses too.</summary>
    private const int ClientClosedRequest = 499;

    /// <summary>Makes a handler of an endpoint.</summary>
    public RequestDelegate Answer(Func<HttpContext, PrometheusParameters, Task<PrometheusReply>> endpoint) => async context =>
    {
        cors.Apply(context);
        if (await TryAsync(context, endpoint).ConfigureAwait(false) is not { } failure) return;
        instruments.QueriesRefused.Add(1, new KeyValuePair<string, object?>("type", failure.Type));
        context.Response.StatusCode = failure.Status;
        await PrometheusErrorFormat.WriteAsync(context, failure.Type, failure.Message).ConfigureAwait(false);
    };

    private static async Task<PrometheusException?> TryAsync(HttpContext context, Func<HttpContext, PrometheusParameters, Task<PrometheusReply>> endpoint)
    {
        try
        {
            var reply = await endpoint(context, await PrometheusParameters.ReadAsync(context.Request).ConfigureAwait(false)).ConfigureAwait(false);
            await PrometheusJson.WriteAsync(context, reply.Data, reply.Warnings, reply.Infos).ConfigureAwait(false);
            return null;
        }
        catch (PrometheusException e)
        {
            return e;
        }
        catch (EvaluationException e)
        {
            return e.IsOfExpression ? PrometheusException.BadParameter("query", e.Message) : PrometheusException.Execution(e.Message);
        }
        catch (RefusalException e)
        {
            return PrometheusException.From(e.Refusal);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            return new PrometheusException(ClientClosedRequest, "canceled", "query was canceled in expression evaluation");
        }
        catch (OperationCanceledException)
        {
            return PrometheusException.TimedOut();
        }
    }
}
