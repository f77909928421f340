using Vigil.Metrics.Grains;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>An expression of a group.</summary>
internal sealed class GroupQuery(string text)
{
    public string Text { get; } = text;

    /// <summary>Null until it is made, and where the expression is evaluated in full.</summary>
    public StandingPlan? Plan { get; set; }

    public GroupLeaf[] Leaves { get; set; } = [];

    /// <summary>It is evaluated in full, elsewhere.</summary>
    public bool InFull { get; set; }

    public StandingValue Current { get; set; } = new();

    public JudgedMoment Judged { get; set; } = JudgedMoment.None;

    /// <summary>When time may change its value, milliseconds since 1970.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>When it was last evaluated, by the clock; not <see cref="JudgedMoment.Moment"/> after the clock was set back.</summary>
    public long EvaluatedAt { get; set; }

    /// <summary>When the newest of the samples since then was received, microseconds since 1970; 0 for none.</summary>
    public long Cause { get; set; }

    /// <summary>It waits to be evaluated.</summary>
    public bool Queued { get; set; }

    public List<(GroupSession Session, int Watch)> Watches { get; } = [];

    /// <summary>All that it reads is there.</summary>
    public bool IsLive
    {
        get
        {
            foreach (var leaf in Leaves)
            {
                if (leaf.Missing.Count > 0 || leaf.Failed.Count > 0) return false;
            }
            return true;
        }
    }
}
