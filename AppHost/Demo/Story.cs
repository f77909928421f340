using System.Globalization;

namespace Vigil.AppHost.Demo;

/// <summary>One step of a story: what happened, and when by this machine's clock.</summary>
internal sealed record StoryStep(DateTimeOffset At, string Text, StoryMood Mood, bool Begins = false);

/// <summary>How a step is coloured.</summary>
internal enum StoryMood { Plain, Bad, Good }

/// <summary>
/// Puts the steps, which come from several streams and so a little out of order, back into the order in which they happened, and says how long
/// after the step before, and after the story's beginning, each came.
/// </summary>
internal sealed class Story(TimeSpan patience)
{
    private readonly List<StoryStep> waiting = [];
    private DateTimeOffset? began;
    private DateTimeOffset previous;

    public void Add(StoryStep step) => waiting.Add(step);

    /// <summary>The lines of the steps that nothing earlier can still come before.</summary>
    public IReadOnlyList<(string Line, StoryMood Mood)> Tell(DateTimeOffset now)
    {
        var ripe = waiting.Where(s => s.At <= now - patience).OrderBy(s => s.At).ToArray();
        var lines = new List<(string, StoryMood)>();
        foreach (var step in ripe)
        {
            waiting.Remove(step);
            if (step.Begins) began = null;
            // A step that was waited out may still be older than one already told; a negative latency would only confuse.
            TimeSpan? sinceBefore = began is null ? null : step.At > previous ? step.At - previous : TimeSpan.Zero;
            began ??= step.At;
            if (step.At > previous) previous = step.At;
            lines.Add((string.Create(CultureInfo.InvariantCulture, $"story  +{(step.At - began.Value).TotalSeconds,7:0.000} s  {Latency(sinceBefore),12}  {step.Text}"), step.Mood));
        }
        return lines;
    }

    private static string Latency(TimeSpan? time) => time is not { } known ? "" : known.TotalSeconds >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{known.TotalSeconds:0.00} s later")
        : string.Create(CultureInfo.InvariantCulture, $"{known.TotalMilliseconds:0} ms later");
}
