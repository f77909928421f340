using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Alerting.Policies;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Watch;

/// <summary>Asks Metrics, which owns the language, whether it would take the expressions of policies.</summary>
internal sealed class ExpressionOracle([FromKeyedServices("metrics")] GrpcChannel channel)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);
    private readonly MetricsQuery.MetricsQueryClient client = new(channel);

    /// <summary>The expressions that are refused, as findings; null when Metrics could not be asked.</summary>
    public async Task<IReadOnlyList<Diagnostic>?> CheckAsync(IReadOnlyList<PolicyDefinition> policies, CancellationToken ct)
    {
        var reasons = new Dictionary<string, string?>(StringComparer.Ordinal);
        try
        {
            foreach (var batch in policies.Select(p => p.Expr).Distinct(StringComparer.Ordinal).Chunk(16))
            {
                var answers = await Task.WhenAll(batch.Select(expr => AskAsync(expr, ct))).ConfigureAwait(false);
                for (var i = 0; i < batch.Length; i++) reasons[batch[i]] = answers[i];
            }
        }
        catch (RpcException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
        return [.. policies.Where(p => reasons[p.Expr] is not null)
            .Select(p => new Diagnostic(DiagnosticLevel.Error, p.File, p.Line, 1, $"{p.Group}/{p.Alert}.expr", reasons[p.Expr]!))];
    }

    private async Task<string?> AskAsync(string expr, CancellationToken ct)
    {
        try
        {
            // Its value does not matter: only whether it can have one.
            var answer = await client.QueryAsync(new QueryRequest { Expr = expr }, new CallOptions(deadline: DateTime.UnixEpoch.Add(TimeProvider.System.GetUtcNow() + Deadline - DateTimeOffset.UnixEpoch), cancellationToken: ct)).ConfigureAwait(false);
            return answer.ResultCase switch
            {
                QueryResponse.ResultOneofCase.Matrix => "yields a range vector; a policy needs an instant vector or a scalar",
                QueryResponse.ResultOneofCase.Text => "yields a string; a policy needs an instant vector or a scalar",
                _ => null,
            };
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.InvalidArgument)
        {
            return e.Status.Detail;
        }
    }
}
