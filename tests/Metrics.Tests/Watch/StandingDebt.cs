using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.Watch;

namespace Vigil.Metrics.Tests.Watch;

/// <summary>Brings a host's watched expressions to the end of what they may take of the processors.</summary>
internal static class StandingDebt
{
    /// <summary>Samples that the next evaluation is to read.</summary>
    public const int Samples = 1_000;

    /// <summary>Has the next evaluation of <see cref="Samples"/> put off for so long that follows. Needs a clock that stands still, and a share of 0.05.</summary>
    public static void Owe(MetricsHost host, TimeSpan wait)
    {
        var budget = host.Services.GetRequiredService<StandingBudget>();
        // A sample counts as 100 ns of work; each of the queries waits until an equal share of the processors has paid for its own.
        var work = TimeSpan.FromTicks(Samples);
        for (var queries = wait / work * 0.05 * Environment.ProcessorCount; queries > 0; queries--) budget.Enter();
        budget.Charge(TimeSpan.FromHours(1));
    }
}
