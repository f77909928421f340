using System.Globalization;
using System.Text.RegularExpressions;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Policies;

/// <summary>The functions of templates: Go's own, and Prometheus' (prometheus/template/template.go).</summary>
internal static class TemplateFunctions
{
    private const int MaxReplaced = 1_000_000;
    private static readonly TimeSpan RegexTimeout = TimeSpan.FromMilliseconds(100);
    private static readonly string[] Large = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    private static readonly string[] Binary = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
    private static readonly string[] Small = ["m", "u", "n", "p", "f", "a", "z", "y"];

    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "humanize", "humanize1024", "humanizeDuration", "humanizePercentage", "humanizeTimestamp", "parseDuration",
        "title", "toUpper", "toLower", "stripPort", "stripDomain", "match", "reReplaceAll", "safeHtml", "externalURL", "pathPrefix",
        "printf", "print", "println", "len", "index", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "urlquery",
        "query", "first", "value", "label", "strvalue", "sortByLabel", "args", "tmpl", "graphLink", "tableLink", "toTime", "toDuration", "now",
    };

    public static bool IsKnown(string name) => Known.Contains(name);

    public static object? Call(string name, List<object?> args, TemplateScope scope) => name switch
    {
        "humanize" => Humanize(Number(name, args)),
        "humanize1024" => Humanize1024(Number(name, args)),
        "humanizeDuration" => HumanizeDuration(Number(name, args)),
        "humanizePercentage" => GoFormat.General(Number(name, args) * 100, 4) + "%",
        "humanizeTimestamp" => HumanizeTimestamp(Number(name, args)),
        "parseDuration" => ParseDuration(Text(name, args, 0, 1)),
        "title" => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(Text(name, args, 0, 1)),
        "toUpper" => Text(name, args, 0, 1).ToUpperInvariant(),
        "toLower" => Text(name, args, 0, 1).ToLowerInvariant(),
        "stripPort" => StripPort(Text(name, args, 0, 1)),
        "stripDomain" => StripDomain(Text(name, args, 0, 1)),
        "match" => Matching(Text(name, args, 0, 2), Text(name, args, 1, 2)),
        "reReplaceAll" => Replaced(Text(name, args, 0, 3), Text(name, args, 1, 3), Text(name, args, 2, 3)),
        "safeHtml" => Text(name, args, 0, 1),
        "urlquery" => Uri.EscapeDataString(Text(name, args, 0, 1)),
        "externalURL" => scope.Data.ExternalUrl,
        "pathPrefix" => Uri.TryCreate(scope.Data.ExternalUrl, UriKind.Absolute, out var url) ? url.AbsolutePath.TrimEnd('/') : "",
        "printf" => GoFormat.Printf(Text(name, args, 0, null), [.. args.Skip(1)]),
        "print" => string.Concat(args.Select(GoFormat.Value)),
        "println" => string.Join(' ', args.Select(GoFormat.Value)) + "\n",
        "len" => Length(args),
        "index" => Index(args),
        "eq" => args.Count > 1 ? args.Skip(1).Any(a => Compare(name, args[0], a) == 0) : throw Count(name, args, "at least 2"),
        "ne" => Compare(name, args) != 0,
        "lt" => Compare(name, args) < 0,
        "le" => Compare(name, args) <= 0,
        "gt" => Compare(name, args) > 0,
        "ge" => Compare(name, args) >= 0,
        "and" => args.Count > 0 ? args.Find(a => !TemplateScope.IsTrue(a)) ?? args[^1] : throw Count(name, args, "at least 1"),
        "or" => args.Count > 0 ? args.Find(TemplateScope.IsTrue) ?? args[^1] : throw Count(name, args, "at least 1"),
        "not" => args.Count == 1 ? !TemplateScope.IsTrue(args[0]) : throw Count(name, args, "1"),
        _ => throw new TemplateException($"the function {name} is not available here"),
    };

    private static string Humanize(double v)
    {
        if (v == 0 || !double.IsFinite(v)) return GoFormat.General(v, 4);
        if (Math.Abs(v) >= 1) return Scaled(v, 1000, Large);
        var (small, prefix) = ScaledUp(v);
        return GoFormat.General(small, 4) + prefix;
    }

    private static string Humanize1024(double v) =>
        Math.Abs(v) <= 1 || !double.IsFinite(v) ? GoFormat.General(v, 4) : Scaled(v, 1024, Binary);

    private static string Scaled(double v, double by, string[] prefixes)
    {
        var prefix = "";
        foreach (var p in prefixes)
        {
            if (Math.Abs(v) < by) break;
            prefix = p;
            v /= by;
        }
        return GoFormat.General(v, 4) + prefix;
    }

    private static (double Value, string Prefix) ScaledUp(double v)
    {
        var prefix = "";
        foreach (var p in Small)
        {
            if (Math.Abs(v) >= 1) break;
            prefix = p;
            v *= 1000;
        }
        return (v, prefix);
    }

    private static string HumanizeDuration(double v)
    {
        if (!double.IsFinite(v)) return GoFormat.General(v, 4);
        if (v == 0) return "0s";
        if (Math.Abs(v) < 1)
        {
            var (small, prefix) = ScaledUp(v);
            return $"{GoFormat.General(small, 4)}{prefix}s";
        }
        var sign = v < 0 ? "-" : "";
        v = Math.Abs(v);
        var whole = (long)v;
        var (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
        if (days != 0) return $"{sign}{days}d {hours}h {minutes}m {seconds}s";
        if (hours != 0) return $"{sign}{hours}h {minutes}m {seconds}s";
        return minutes != 0 ? $"{sign}{minutes}m {seconds}s" : $"{sign}{GoFormat.General(v, 4)}s";
    }

    private static string HumanizeTimestamp(double v)
    {
        if (!double.IsFinite(v) || Math.Abs(v) > 253_402_300_799d) return GoFormat.General(v, 4);
        var time = DateTimeOffset.UnixEpoch.AddTicks((long)Math.Round(v * 1_000) * TimeSpan.TicksPerMillisecond);
        return time.ToString("yyyy-MM-dd HH:mm:ss.FFF", CultureInfo.InvariantCulture) + " +0000 UTC";
    }

    private static double ParseDuration(string text) =>
        PrometheusDuration.TryParse(text, out var duration, out var reason) ? duration.TotalSeconds : throw new TemplateException(reason!);

    private static string StripPort(string hostPort)
    {
        var colon = hostPort.LastIndexOf(':');
        if (colon < 0) return hostPort;
        var host = hostPort[..colon];
        if (host.StartsWith('[') && host.EndsWith(']')) return host[1..^1];
        return host.Contains(':') ? hostPort : host;
    }

    private static string StripDomain(string hostPort)
    {
        var host = StripPort(hostPort);
        if (System.Net.IPAddress.TryParse(host, out _)) return hostPort;
        var port = hostPort[host.Length..];
        var dot = host.IndexOf('.');
        return (dot < 0 ? host : host[..dot]) + port;
    }

    private static bool Matching(string pattern, string text) => Guarded(() => Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, RegexTimeout));

    private static string Replaced(string pattern, string replacement, string text) =>
        // Every character could be replaced.
        (text.Length + 1L) * replacement.Length > MaxReplaced
            ? throw new TemplateException($"reReplaceAll: {text.Length:N0} characters and a replacement of {replacement.Length:N0} could yield more than {MaxReplaced:N0}")
            : Guarded(() => Regex.Replace(text, pattern, replacement, RegexOptions.CultureInvariant, RegexTimeout));

    private static T Guarded<T>(Func<T> regex)
    {
        try
        {
            return regex();
        }
        catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
        {
            throw new TemplateException($"bad regular expression: {e.Message}");
        }
    }

    private static object Length(List<object?> args) => args switch
    {
        [string s] => (long)System.Text.Encoding.UTF8.GetByteCount(s),
        [IReadOnlyDictionary<string, string> map] => (long)map.Count,
        _ => throw new TemplateException("len of something that has no length"),
    };

    private static object? Index(List<object?> args) => args switch
    {
        [IReadOnlyDictionary<string, string> map, string key] => map.GetValueOrDefault(key, ""),
        _ => throw new TemplateException("index needs labels and a name"),
    };

    private static int Compare(string name, List<object?> args) => args.Count == 2 ? Compare(name, args[0], args[1]) : throw Count(name, args, "2");

    /// <summary>Go refuses to compare 5 with 5.0; numbers compare as numbers here, so that such a template does what was meant.</summary>
    private static int Compare(string name, object? a, object? b) => (a, b) switch
    {
        (string x, string y) => string.CompareOrdinal(x, y),
        (bool x, bool y) => x.CompareTo(y),
        (double or long, double or long) => Convert.ToDouble(a, CultureInfo.InvariantCulture).CompareTo(Convert.ToDouble(b, CultureInfo.InvariantCulture)),
        _ => throw new TemplateException($"error calling {name}: incompatible types for comparison"),
    };

    private static double Number(string name, List<object?> args) => args switch
    {
        [double d] => d,
        [long n] => n,
        [string s] when double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) => parsed,
        [var other] => throw new TemplateException($"error calling {name}: can't convert {GoFormat.Value(other)} to float"),
        _ => throw Count(name, args, "1"),
    };

    private static string Text(string name, List<object?> args, int index, int? count)
    {
        if (count is { } n && args.Count != n || args.Count <= index) throw Count(name, args, count?.ToString(CultureInfo.InvariantCulture) ?? "at least 1");
        return args[index] as string ?? GoFormat.Value(args[index]);
    }

    private static TemplateException Count(string name, List<object?> args, string wanted) =>
        new($"wrong number of args for {name}: want {wanted} got {args.Count}");
}
