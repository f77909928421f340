namespace Vigil.Alerting.Policies;

/// <summary>One element of an expression's result.</summary>
/// <param name="Labels">As the expression yields them, with __name__ where it has one.</param>
/// <param name="Value">Its value.</param>
internal readonly record struct EvaluationSample(AlertLabels Labels, double Value);

/// <summary>What the watch on an expression reported.</summary>
/// <param name="At">The moment the expression was evaluated at.</param>
/// <param name="Samples">Its result.</param>
/// <param name="InputSeries">Series its selectors found; 0 says that there was nothing to judge.</param>
/// <param name="Error">Why there is no result: the expression failed, or the watch is broken. Null when there is one.</param>
/// <param name="CauseReceivedUnixUs">When Metrics received the sample that caused it, in microseconds since 1970; 0 when time did.</param>
internal sealed record Evaluation(DateTimeOffset At, IReadOnlyList<EvaluationSample> Samples, int InputSeries, string? Error = null, long CauseReceivedUnixUs = 0)
{
    /// <summary>The watch is broken, or silent for too long.</summary>
    public static Evaluation Unknown(DateTimeOffset at, string reason) => new(at, [], 0, reason);
}
