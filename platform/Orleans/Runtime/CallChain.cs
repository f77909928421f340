using System.Text;

namespace Orleans.Runtime;

/// <summary>Says, of a call that got no answer, who waits for whom.</summary>
internal static class CallChain
{
    private const int Longest = 32;

    public static string DescribeTimeout(GrainCall call, Activation target)
    {
        var text = new StringBuilder($"No answer within {call.Method.Timeout ?? target.Silo.Messaging.ResponseTimeout} to {call}. ");
        var chain = Around(call);
        if (chain.Count > 1) text.Append("Call chain: ").AppendJoin(" -> ", chain).Append(". ");
        var last = chain[^1];
        if (last.Target is not { } where) return text.ToString();
        if (last.IsWaiting)
        {
            var blockers = where.RunningCalls().ToArray();
            text.Append($"{last} waits for its turn");
            if (blockers.Length > 0) text.Append(" behind ").AppendJoin(", ", (object[])blockers);
            if (blockers.FirstOrDefault(chain.Contains) is { } cause)
                text.Append($": a deadlock, as {cause} waits in turn for this chain");
        }
        else
        {
            text.Append($"{last} has not ended");
        }
        return text.Append('.').ToString();
    }

    // The calls that led to this one, then this one, then what was called from it last and not answered in time.
    private static List<GrainCall> Around(GrainCall call)
    {
        var chain = new List<GrainCall>();
        for (var at = call; at is not null && chain.Count < Longest; at = at.Parent) chain.Add(at);
        chain.Reverse();
        for (var at = call.Child; at is not null && chain.Count < Longest && (!at.IsDone || at.HasTimedOut); at = at.Child) chain.Add(at);
        return chain;
    }
}
