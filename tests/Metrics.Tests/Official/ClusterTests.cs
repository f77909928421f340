using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Official;

/// <summary>Several processes of the service as one Orleans cluster on PostgreSQL.</summary>
public sealed class ClusterTests
{
    private const int Jobs = 24;

    [FactNeeds("postgres", "initdb")]
    public async Task Cluster_OneOfTwoSilosKilled_TheOtherHasAllThatWasAcknowledgedAndTakesMore()
    {
        var postgres = await PostgresServer.NewDatabaseAsync();
        await using var one = await MetricsProcess.StartAsync(postgres);
        await using var two = await MetricsProcess.StartAsync(postgres);

        for (var job = 0; job < Jobs; job++) await (job % 2 == 0 ? one : two).PushAsync($"job{job}", 1, job);

        // Each answers for grains that lie on the other.
        Assert.Equal(Jobs, await one.ValueAsync("count(load)"));
        Assert.Equal(Jobs, await two.ValueAsync("count(load)"));
        var (onOne, onTwo) = (await one.ActivationsAsync(), await two.ActivationsAsync());
        Assert.Equal(Jobs, onOne + onTwo);
        Assert.InRange(onTwo, 1, Jobs - 1);

        await two.KillAsync();

        // Calls fail until the survivor has missed the other's answers often enough to declare it dead.
        await Waiting.Until(() => AnsweredAsync(async () => await one.ValueAsync("count(load)") == Jobs), "the survivor has every series", TimeSpan.FromMinutes(2));
        Assert.Equal(Jobs * (Jobs - 1) / 2.0, await one.ValueAsync("sum(load)"));
        for (var job = 0; job < Jobs; job++) await one.PushAsync($"job{job}", 2, 100 + job);
        Assert.Equal(Jobs * 100 + (Jobs * (Jobs - 1) / 2.0), await one.ValueAsync("sum(load)"));
        Assert.Equal(Jobs, await one.ActivationsAsync());
    }

    internal static async Task<bool> AnsweredAsync(Func<Task<bool>> ask)
    {
        try
        {
            return await ask();
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
        {
            return false;
        }
    }
}
