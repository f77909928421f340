using Grpc.Core;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Policies;
using Vigil.Alerting.Watch;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting.Api;

/// <summary>vigil.alerting.v1.Policies.</summary>
[RequireScope(Scope.Read)]
internal sealed class PoliciesApi(PolicyReader reader, PolicyLoader loader, ExpressionOracle oracle, IGrainFactory grains, IAuditLog audit) : V1.Policies.PoliciesBase
{
    /// <summary>Most files of one check.</summary>
    public const int MaxFiles = 256;

    public override async Task<V1.CheckResponse> Check(V1.CheckRequest request, ServerCallContext context)
    {
        if (request.Files.Count is 0 or > MaxFiles) throw Refusal.Invalid("files", $"has {request.Files.Count} files; 1 to {MaxFiles} are allowed").ToException();
        var set = PolicySet.Read(request.Files.Select(f => (f.Name, f.Content)));
        var response = new V1.CheckResponse { Policies = (uint)set.Policies.Count, RecordingRules = (uint)set.RecordingRules };
        response.Diagnostics.AddRange(set.Diagnostics.Select(d => d.ToProto()));
        if (set.HasErrors) return response;
        if (await oracle.CheckAsync(set.Policies, context.CancellationToken).ConfigureAwait(false) is { } refused)
        {
            response.ExpressionsChecked = true;
            response.Diagnostics.AddRange(refused.Select(d => d.ToProto()));
        }
        return response;
    }

    public override async Task<V1.ListPoliciesResponse> ListPolicies(V1.ListPoliciesRequest request, ServerCallContext context)
    {
        var catalog = await grains.GetGrain<IPolicyCatalogGrain>(IPolicyCatalogGrain.Key).Read().ConfigureAwait(false);
        var response = new V1.ListPoliciesResponse { AppliedAtUnixMs = Math.Max(0, catalog.AppliedAt.ToUnixTimeMilliseconds()) };
        foreach (var reading in await reader.ReadAllAsync(context.CancellationToken).ConfigureAwait(false)) response.Policies.Add(reading.Policy.ToProto(reading.Snapshot));
        response.Diagnostics.AddRange(loader.LastDiagnostics.Select(d => d.ToProto()));
        return response;
    }

    public override async Task<V1.Policy> GetPolicy(V1.GetPolicyRequest request, ServerCallContext context) =>
        await reader.ReadAsync(request.Key).ConfigureAwait(false) is { } reading
            ? reading.Policy.ToProto(reading.Snapshot)
            : throw Refusal.NotFound($"policy '{request.Key}'").ToException();

    [RequireScope(Scope.Operate)]
    public override async Task<V1.ReloadResponse> Reload(V1.ReloadRequest request, ServerCallContext context)
    {
        var result = await loader.LoadAsync(context.CancellationToken).ConfigureAwait(false);
        await audit.RecordAsync(context.GetHttpContext().GetActor(), "policies.reload", "all",
            new { result.Applied, result.Policies, result.Added, result.Changed, result.Removed }, context.CancellationToken).ConfigureAwait(false);
        var response = new V1.ReloadResponse
        {
            Applied = result.Applied,
            Policies = (uint)result.Policies,
            Added = (uint)result.Added,
            Changed = (uint)result.Changed,
            Removed = (uint)result.Removed,
        };
        response.Diagnostics.AddRange(result.Diagnostics.Select(d => d.ToProto()));
        return response;
    }
}
