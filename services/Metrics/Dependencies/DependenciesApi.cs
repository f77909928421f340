using System.Text.Json;
using Grpc.Core;
using Vigil.Metrics.Api;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Dependencies;

/// <summary><c>vigil.metrics.v1.Dependencies</c>, and the same as JSON under <c>/api/v1/dependencies</c>.</summary>
[RequireScope(Scope.Read)]
internal sealed class DependenciesApi(DependencyService dependencies) : V1.Dependencies.DependenciesBase
{
    public override async Task<DependencyGraph> GetGraph(GetGraphRequest request, ServerCallContext context)
    {
        var status = await dependencies.GetAsync(request.Service, context.CancellationToken).ConfigureAwait(false);
        var graph = new DependencyGraph { EvaluatedAtUnixMs = status.AtUnixMs };
        graph.Services.AddRange(status.Services.Select(ToProto));
        return graph;
    }

    /// <summary>Maps the JSON form.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var dependencies = endpoints.ServiceProvider.GetRequiredService<DependencyService>();
        endpoints.MapGet("/api/v1/dependencies", async (HttpContext context) =>
        {
            var status = await dependencies.GetAsync(context.Request.Query["service"].ToString(), context.RequestAborted).ConfigureAwait(false);
            await PrometheusJson.WriteAsync(context, json => Write(json, status), [], []).ConfigureAwait(false);
        }).RequireScope(Scope.Read).WithErrorFormat(PrometheusErrorFormat.Instance);
    }

    private static ServiceHealth ToProto(ServiceStatus status)
    {
        var service = new ServiceHealth { Name = status.Service.Name, Title = status.Service.Title, State = ToProto(status.State), Reason = status.Reason };
        service.DependsOn.AddRange(status.Service.DependsOn);
        service.DownBelow.AddRange(status.DownBelow);
        service.Checks.AddRange(status.Checks.Select(c => new CheckHealth
        {
            Name = c.Check.Name,
            Expr = c.Check.Text,
            Required = c.Check.Required,
            State = ToProto(c.State),
            Holding = (uint)c.Holding,
            Series = (uint)c.Series,
            Error = c.Error ?? "",
        }));
        return service;
    }

    private static V1.HealthState ToProto(HealthState state) => state switch
    {
        HealthState.Up => V1.HealthState.Up,
        HealthState.Degraded => V1.HealthState.Degraded,
        HealthState.Down => V1.HealthState.Down,
        _ => V1.HealthState.Unknown,
    };

    private static void Write(Utf8JsonWriter json, GraphStatus status)
    {
        json.WriteStartObject();
        json.WriteNumber("evaluatedAt", status.AtUnixMs / 1000m);
        json.WriteStartArray("services");
        foreach (var service in status.Services)
        {
            json.WriteStartObject();
            json.WriteString("name", service.Service.Name);
            json.WriteString("title", service.Service.Title);
            json.WritePropertyName("dependsOn");
            PrometheusJson.WriteTexts(json, service.Service.DependsOn);
            json.WriteString("state", Name(service.State));
            json.WriteString("reason", service.Reason);
            json.WriteStartArray("checks");
            foreach (var check in service.Checks)
            {
                json.WriteStartObject();
                json.WriteString("name", check.Check.Name);
                json.WriteString("expr", check.Check.Text);
                json.WriteBoolean("required", check.Check.Required);
                json.WriteString("state", Name(check.State));
                json.WriteNumber("holding", check.Holding);
                json.WriteNumber("series", check.Series);
                if (check.Error is not null) json.WriteString("error", check.Error);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WritePropertyName("downBelow");
            PrometheusJson.WriteTexts(json, service.DownBelow);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Name(HealthState state) => state.ToString().ToLowerInvariant();
}
