using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>Evaluates the expressions of a group whose inputs changed, all of a batch together, and no more often than the budget of all allows.</summary>
/// <param name="members">The expressions.</param>
/// <param name="sessions">Who is told.</param>
/// <param name="readAgain">Reads selections once more, later: samples that had left their windows are in them again.</param>
/// <param name="budget">What all standing queries may take.</param>
/// <param name="maxAhead">How far ahead of the clock samples may be.</param>
/// <param name="clock">The time.</param>
/// <param name="instruments">Count evaluations.</param>
/// <param name="log">Hears of expressions that fail.</param>
internal sealed class GroupEvaluator(
    GroupMembers members, GroupSessions sessions, Action<GroupLeaf[]> readAgain, StandingBudget budget, TimeSpan maxAhead, TimeProvider clock, MetricsInstruments instruments, ILogger log)
{
    /// <summary>Time alone has an expression evaluated no more often than about once a second.</summary>
    private const long RestMs = 900;

    private static readonly TimeSpan Outdated = TimeSpan.FromMinutes(1);

    private readonly List<GroupQuery> queue = [];
    private long evaluatedAt = clock.GetTimestamp();
    private TimeSpan pause;

    /// <summary>Nothing is evaluated for the moment: there was more than the budget pays for.</summary>
    public bool IsPausing => pause > TimeSpan.Zero && clock.GetElapsedTime(evaluatedAt) < pause;

    /// <summary>Has an expression evaluated with the next <see cref="Run"/>.</summary>
    public void Queue(GroupQuery query)
    {
        if (query.Queued || query.InFull) return;
        query.Queued = true;
        queue.Add(query);
    }

    /// <summary>Evaluates those that samples came for.</summary>
    /// <param name="receivedUnixUs">When the newest sample was received, microseconds since 1970.</param>
    public void RunTouched(long receivedUnixUs)
    {
        foreach (var leaf in members.Touched)
        {
            leaf.Touched = false;
            foreach (var query in leaf.Queries)
            {
                query.Cause = Math.Max(query.Cause, receivedUnixUs);
                Queue(query);
            }
        }
        members.Touched.Clear();
        Run();
    }

    /// <summary>Evaluates those that time may have changed.</summary>
    /// <param name="now">Milliseconds since 1970.</param>
    public void RunDue(long now)
    {
        if (!IsPausing)
        {
            foreach (var query in members.Queries)
            {
                // Back in time: the clock was set.
                if ((query.Due <= now && now - query.EvaluatedAt >= RestMs) || now < query.EvaluatedAt) Queue(query);
            }
            Run();
        }
        else if (clock.GetElapsedTime(evaluatedAt) > Outdated)
        {
            // Followers must not take an old value for the present one.
            foreach (var query in members.Queries.Where(q => !q.InFull && q.Current.Error is null))
                members.Publish(query, new StandingValue { EvaluatedAt = query.Current.EvaluatedAt, Error = StandingResult.PutOff }, 0);
            sessions.Wake();
        }
    }

    /// <summary>Evaluates what is queued, unless it has to wait, and tells who waits for it.</summary>
    public void Run()
    {
        if (queue.Count == 0 || IsPausing)
        {
            sessions.Wake();
            return;
        }
        var start = clock.GetTimestamp();
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var evaluated = 0;
        // Evaluations may have others evaluated in full, but queue none.
        foreach (var query in queue)
        {
            query.Queued = false;
            if (query.InFull || !query.IsLive) continue;
            evaluated++;
            Evaluate(query, now);
        }
        queue.Clear();
        sessions.Wake();
        if (evaluated > 0) Pay(clock.GetElapsedTime(start), evaluated, evaluated);
    }

    /// <summary>Takes work from the budget.</summary>
    /// <param name="work">The processor's time it took.</param>
    /// <param name="parts">Expressions, or selections, that it was for.</param>
    /// <param name="evaluated">Evaluations among it.</param>
    public void Pay(TimeSpan work, int parts, int evaluated)
    {
        instruments.EvaluatedStanding(incremental: true, evaluated, work);
        pause = budget.Charge(work, parts);
        evaluatedAt = clock.GetTimestamp();
    }

    private void Evaluate(GroupQuery query, long now)
    {
        var at = query.Judged.Next(now, maxAhead);
        if (!query.Plan!.Covers(at))
        {
            // The clock was set back: what had left the window is in it again.
            foreach (var leaf in query.Leaves)
            {
                foreach (var source in leaf.Sources) leaf.Missing.Add(source);
            }
            readAgain(query.Leaves);
            return;
        }
        var cause = query.Cause;
        query.Cause = 0;
        query.EvaluatedAt = now;
        StandingValue value;
        try
        {
            var elements = query.Plan.Evaluate(at);
            query.Judged = new JudgedMoment(at, query.Plan.Newest);
            query.Due = query.Plan.NextChange + (now - at);
            if (Same(query.Current, elements, query.Plan.Inputs))
            {
                if (cause == 0)
                {
                    query.Current = query.Current with { EvaluatedAt = at };
                    return;
                }
                value = new StandingValue { EvaluatedAt = at, InputSeries = query.Plan.Inputs, Vector = query.Current.Vector };
            }
            else
            {
                value = new StandingValue { EvaluatedAt = at, InputSeries = query.Plan.Inputs, Vector = Elements(elements) };
            }
        }
        catch (EvaluationException e)
        {
            query.Due = now;
            if (e.Message == query.Current.Error) return;
            MetricsLog.StandingQueryFailed(log, query.Text, e.Message);
            value = new StandingValue { EvaluatedAt = at, Error = e.Message };
        }
        catch (NotIncrementalException e)
        {
            members.InFull(query, "data", e.Message);
            return;
        }
        members.Publish(query, value, cause);
    }

    private static bool Same(StandingValue current, IReadOnlyList<VectorElement> elements, int inputs)
    {
        if (current.Version == 0 || current.Error is not null || current.InputSeries != inputs || current.Vector.Length != elements.Count) return false;
        for (var i = 0; i < elements.Count; i++)
        {
            if (BitConverter.DoubleToInt64Bits(current.Vector[i].Value) != BitConverter.DoubleToInt64Bits(elements[i].Value)) return false;
            if (!current.Vector[i].Labels.Equals(elements[i].Labels)) return false;
        }
        return true;
    }

    private static StandingElement[] Elements(IReadOnlyList<VectorElement> elements)
    {
        var copied = new StandingElement[elements.Count];
        for (var i = 0; i < copied.Length; i++) copied[i] = new StandingElement { Labels = elements[i].Labels, Value = elements[i].Value };
        return copied;
    }
}
