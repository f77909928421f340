using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>
/// Finds the expressions that can be kept up to date from sample to sample: functions over ranges, and metrics themselves; compared or reckoned with
/// numbers, aggregated, paired one to one, filtered or joined by one another, and quantiles of histograms. All others are evaluated in full.
/// </summary>
/// <param name="lookbackMs">How long a sample stands for its series.</param>
/// <param name="longestMs">The longest window, its offset included, that samples are held for.</param>
internal sealed class PlanCompiler(long lookbackMs, long longestMs)
{
    /// <summary>The plan of an expression; null where it has none.</summary>
    /// <param name="expr">The expression.</param>
    /// <param name="selection">Gives the selection of a leaf: one that is there already, or a new one.</param>
    public StandingPlan? Compile(Expr expr, Func<SelectionSpec, StandingSelection> selection) => Compile(expr, new PlanBuilder(lookbackMs, longestMs, selection));

    /// <summary>The leaves of an expression that has a plan; empty where it has none.</summary>
    /// <param name="expr">The expression.</param>
    /// <param name="tooLong">It has none because it looks back further than samples are held for.</param>
    public IReadOnlyList<SelectionSpec> Leaves(Expr expr, out bool tooLong)
    {
        var none = new StandingMemory(0);
        var builder = new PlanBuilder(lookbackMs, longestMs, spec => new StandingSelection(spec, none));
        var leaves = Compile(expr, builder)?.Leaves.Select(l => l.Spec).ToArray() ?? [];
        tooLong = leaves.Length == 0 && builder.TooLong;
        return leaves;
    }

    private static StandingPlan? Compile(Expr expr, PlanBuilder builder) =>
        expr.Type == ExprType.InstantVector && builder.Node(expr) is { } root && builder.Leaves.Count > 0 ? new StandingPlan(root, builder.Leaves) : null;
}
