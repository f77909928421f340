using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>
/// Samples that the server refused because it has forgotten their series, as it does when nothing came for as long as it keeps samples. The
/// series are declared anew, and what was refused of a frame is sent again as a frame of its own. Not thread-safe: its owner holds a
/// lock.
/// </summary>
internal sealed class ForgottenSeries(FrameQueue frames)
{
    /// <summary>Then they are refused: a server that goes on forgetting must not be sent the same for ever.</summary>
    private const int MaxResends = 3;

    private readonly Dictionary<ulong, Loss> losses = [];
    private readonly Dictionary<ulong, (ulong Origin, int Times)> resent = [];
    private readonly SortedSet<uint> undeclared = [];

    /// <summary>Takes note of a refusal; false where it is of another kind, or final.</summary>
    public bool TryTake(Refusal refusal, int seriesDeclared)
    {
        if (refusal.Reason != RefusalReason.UndeclaredSeries || frames.Find(refusal.Sequence) is null) return false;
        // Without a number it stands for several that are not named: then for any of the frame.
        if (refusal.SeriesId > seriesDeclared || (refusal.SeriesId == 0 && refusal.Unlisted == 0)) return false;
        if (resent.TryGetValue(refusal.Sequence, out var before) && before.Times >= MaxResends) return false;
        if (!losses.TryGetValue(refusal.Sequence, out var loss)) losses.Add(refusal.Sequence, loss = new Loss());
        loss.Samples += refusal.Samples;
        if (refusal.SeriesId == 0) loss.OfAnySeries = true;
        else loss.Series.Add(refusal.SeriesId);
        return true;
    }

    /// <summary>The server is done with a frame, which is still in the queue: what it refused for this reason is queued anew.</summary>
    /// <returns>How many samples.</returns>
    public long Acknowledge(ulong sequence)
    {
        if (losses.Count == 0 && resent.Count == 0) return 0;
        long samples = 0;
        for (var i = frames.AcknowledgedSequence + 1; i <= sequence; i++)
        {
            var known = resent.Remove(i, out var before);
            if (!losses.Remove(i, out var loss) || frames.Find(i) is not { } frame) continue;
            var wanted = loss.OfAnySeries ? frame.SeriesIds.ToHashSet() : loss.Series;
            undeclared.UnionWith(wanted);
            resent.Add(frames.Again(frame, wanted), (known ? before.Origin : i, before.Times + 1));
            samples += loss.Samples;
        }
        return samples;
    }

    /// <summary>Something of the frames up to this one is under way again.</summary>
    public bool IsUnderWay(ulong through) => resent.Count > 0 && resent.Values.Any(r => r.Origin <= through);

    /// <summary>Series to declare anew before any further frame; empty where there are none.</summary>
    public IReadOnlyList<uint> TakeUndeclared(int most)
    {
        if (undeclared.Count == 0) return [];
        uint[] taken = [.. undeclared.Take(most)];
        undeclared.ExceptWith(taken);
        return taken;
    }

    /// <summary>On a new connection every series is declared.</summary>
    public void Reconnected() => undeclared.Clear();

    private sealed class Loss
    {
        public HashSet<uint> Series { get; } = [];

        public bool OfAnySeries { get; set; }

        public long Samples { get; set; }
    }
}
