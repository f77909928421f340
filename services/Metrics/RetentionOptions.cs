using System.Globalization;
using Vigil.Metrics.Rollups;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics;

/// <summary>
/// How long samples and their rollups are kept, from the configuration section <c>Metrics:Retention</c>; what is older, or beyond the bytes, goes, the oldest first. <c>Metrics:Retention</c> itself may be
/// set to a time, which is that of <see cref="Raw"/>.
/// </summary>
internal sealed class RetentionOptions
{
    private static readonly TimeSpan Least = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Most = TimeSpan.FromDays(3660);

    private (string Value, string Allowed)? shortFault;

    /// <summary>How long samples are kept, and how old one may be. 10 minutes to 3,660 days.</summary>
    public TimeSpan Raw { get; set; } = TimeSpan.FromDays(31);

    /// <summary>How long minutes are kept; as long as samples where it is not set. Where it is longer, minutes are rolled up of every series.</summary>
    public TimeSpan? Minute { get; set; }

    /// <summary>How long hours are kept: 400 days where it is not set, and at least as long as samples and minutes.</summary>
    public TimeSpan? Hour { get; set; }

    /// <summary>How long days are kept: 3,660 days where it is not set.</summary>
    public TimeSpan? Day { get; set; }

    /// <summary>Bytes that the pages of samples of all services may take together, as stored; 0 for any number.</summary>
    public long RawBytes { get; set; }

    /// <summary>As <see cref="RawBytes"/>, of minutes.</summary>
    public long MinuteBytes { get; set; }

    /// <summary>As <see cref="RawBytes"/>, of hours.</summary>
    public long HourBytes { get; set; }

    /// <summary>As <see cref="RawBytes"/>, of days.</summary>
    public long DayBytes { get; set; }

    /// <summary>How long a resolution is kept.</summary>
    public TimeSpan Of(Resolution resolution) => resolution switch
    {
        Resolution.Raw => Raw,
        Resolution.Minute => Minute ?? Raw,
        Resolution.Hour => Hour ?? Longest(TimeSpan.FromDays(400), Of(Resolution.Minute), Raw),
        _ => Day ?? Longest(Most, Of(Resolution.Hour)),
    };

    /// <summary>Bytes that a resolution may take; 0 for any number.</summary>
    public long BytesOf(Resolution resolution) => resolution switch
    {
        Resolution.Raw => RawBytes,
        Resolution.Minute => MinuteBytes,
        Resolution.Hour => HourBytes,
        _ => DayBytes,
    };

    /// <summary>Takes the time that the section itself is set to, as it was before there were rollups.</summary>
    /// <param name="section">The section.</param>
    public void TakeShort(IConfigurationSection section)
    {
        if (section.Value is not { Length: > 0 } text) return;
        if (section[nameof(Raw)] is { Length: > 0 }) shortFault = (text, $"nothing, where {section.Path}:{nameof(Raw)} is set too");
        else if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var raw)) Raw = raw;
        else shortFault = (text, $"a duration such as 31.00:00:00 (days.hours:minutes:seconds), which is that of {section.Path}:{nameof(Raw)}");
    }

    /// <summary>What is wrong, by key below <c>Metrics</c>.</summary>
    public IEnumerable<OptionFault> Validate()
    {
        const string Section = nameof(MetricsOptions.Retention);
        if (shortFault is { } fault) yield return new OptionFault(Section, fault.Value, fault.Allowed);
        foreach (var resolution in Enum.GetValues<Resolution>())
        {
            if (Of(resolution) < Least || Of(resolution) > Most) yield return new OptionFault($"{Section}:{resolution}", Of(resolution), $"{Least} to {Most}");
            if (BytesOf(resolution) is not 0 and < 1_000_000) yield return new OptionFault($"{Section}:{resolution}Bytes", BytesOf(resolution), "0, or at least 1000000");
        }
        // What is finer must not be all that there is of a time.
        if (Of(Resolution.Hour) < Longest(Raw, Of(Resolution.Minute))) yield return new OptionFault($"{Section}:{nameof(Hour)}", Hour, $"at least {Longest(Raw, Of(Resolution.Minute))}, as finer ones are kept");
        if (Of(Resolution.Day) < Of(Resolution.Hour)) yield return new OptionFault($"{Section}:{nameof(Day)}", Day, $"at least {Of(Resolution.Hour)}, as hours are kept");
    }

    private static TimeSpan Longest(params ReadOnlySpan<TimeSpan> times)
    {
        var longest = TimeSpan.Zero;
        foreach (var time in times) longest = time > longest ? time : longest;
        return longest;
    }
}
