using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Which series info() takes labels from: those named target_info, or those that its second argument's matchers on the name choose.</summary>
internal static class InfoFunction
{
    private const string DefaultName = "target_info";

    /// <summary>The selector of those series; null for any other function. Its window is that of the first argument.</summary>
    public static VectorSelector? SelectorOf(FunctionSignature function, IReadOnlyList<Expr> arguments)
    {
        if (function.Name != "info" || arguments.Count == 0) return null;
        var labels = LabelMatchers(arguments);
        return new VectorSelector(null, [.. NameMatchers(labels), .. labels.Where(m => m.Name != LabelSet.NameLabel)], 0, null, arguments[^1].Position);
    }

    /// <summary>The matchers of the second argument.</summary>
    public static IReadOnlyList<LabelMatcher> LabelMatchers(IReadOnlyList<Expr> arguments) =>
        arguments.Count > 1 && arguments[1] is VectorSelector selector ? selector.Matchers : [];

    /// <summary>The matchers of names in force: matchers that only exclude do so among all names that end in _info.</summary>
    public static IReadOnlyList<LabelMatcher> NameMatchers(IReadOnlyList<LabelMatcher> matchers)
    {
        var names = matchers.Where(m => m.Name == LabelSet.NameLabel).ToArray();
        if (names.Length == 0) return [LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, DefaultName)];
        return names.Any(m => m.Kind is MatchKind.Equal or MatchKind.Regex)
            ? names
            : [LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Regex, ".+_info"), .. names];
    }

    /// <summary>
    /// When the series are looked at: as of the first selector in the first argument. The moment it is pinned to, by itself or by a subquery around
    /// it (null: not at all), and how far back, in milliseconds.
    /// </summary>
    public static (long? PinnedMs, long OffsetMs) Anchor(Expr expr, StepGrid query) => Find(expr, query) ?? (null, 0);

    private static (long? PinnedMs, long OffsetMs)? Find(Expr expr, StepGrid query)
    {
        switch (expr)
        {
            case VectorSelector selector: return (selector.At?.TimeIn(query), DurationArithmetic.Offset(selector, query));
            case MatrixSelector matrix: return Find(matrix.Vector, query);
            case SubqueryExpr subquery:
                // What lies outside of a pin does not move it.
                if (Find(subquery.Inner, query) is not { PinnedMs: null, OffsetMs: var inner }) return Find(subquery.Inner, query);
                return (subquery.At?.TimeIn(query), inner + DurationArithmetic.Offset(subquery, query));
            case ParenExpr paren: return Find(paren.Inner, query);
            case UnaryExpr unary: return Find(unary.Operand, query);
            case BinaryExpr binary: return Find(binary.Left, query) ?? Find(binary.Right, query);
            case AggregateExpr aggregate: return Find(aggregate.Operand, query) ?? (aggregate.Parameter is { } parameter ? Find(parameter, query) : null);
            case CallExpr call:
                foreach (var argument in call.Arguments)
                {
                    if (Find(argument, query) is { } found) return found;
                }
                return null;
            default: return null;
        }
    }
}
