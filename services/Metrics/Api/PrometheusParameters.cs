using System.Globalization;
using Microsoft.Extensions.Primitives;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Api;

/// <summary>Reads the parameters of a request as Prometheus does: from the form of a POST first, then from the URL.</summary>
internal sealed class PrometheusParameters
{
    /// <summary>Points of one series that a range query may ask for.</summary>
    public const int MaxPoints = 11_000;

    private readonly IQueryCollection query;
    private readonly IFormCollection? form;

    private PrometheusParameters(IQueryCollection query, IFormCollection? form) => (this.query, this.form) = (query, form);

    public static async Task<PrometheusParameters> ReadAsync(HttpRequest request)
    {
        if (!request.HasFormContentType) return new(request.Query, null);
        try
        {
            return new(request.Query, await request.ReadFormAsync(request.HttpContext.RequestAborted).ConfigureAwait(false));
        }
        catch (InvalidDataException e)
        {
            throw PrometheusException.BadData($"error parsing form values: {e.Message}");
        }
    }

    /// <summary>The first value, or an empty text.</summary>
    public string Text(string name) => All(name) is { Count: > 0 } values ? values[0] ?? "" : "";

    public StringValues All(string name) => form is not null && form.TryGetValue(name, out var values)
        ? StringValues.Concat(values, query[name])
        : query[name];

    /// <summary>Milliseconds since 1970; <paramref name="otherwise"/> where the parameter is not given, and an error where that is null.</summary>
    public long Time(string name, long? otherwise)
    {
        var text = Text(name);
        if (text.Length == 0 && otherwise is { } value) return value;
        if (TryTime(text, out var time)) return time;
        // Prometheus names the parameter once more where it may be left out.
        var optional = otherwise is null ? "" : $"invalid time value for '{name}': ";
        throw PrometheusException.BadParameter(name, $"{optional}cannot parse {GoText.Quote(text)} to a valid timestamp");
    }

    /// <summary>How old a sample may be and still be its series' value, in milliseconds; null where the service's rule holds.</summary>
    public long? LookbackDelta()
    {
        var text = Text("lookback_delta");
        if (text.Length == 0) return null;
        var lookback = ParseDuration(text, out var fault) ?? throw PrometheusException.BadData($"error parsing lookback delta duration: {fault}");
        return lookback > 0 ? lookback : null;
    }

    /// <summary>A whole number; <paramref name="otherwise"/> where the parameter is not given.</summary>
    public int Number(string name, int otherwise, string expected)
    {
        var text = Text(name);
        if (text.Length == 0) return otherwise;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw PrometheusException.BadData(expected);
    }

    /// <summary>Milliseconds; null where the parameter is not given.</summary>
    public long? Duration(string name)
    {
        var text = Text(name);
        if (text.Length == 0) return null;
        return ParseDuration(text, out var fault) ?? throw PrometheusException.BadParameter(name, fault);
    }

    /// <summary>Seconds as a number, or a duration with units, in milliseconds; null, and why, where it is neither.</summary>
    private static long? ParseDuration(string text, out string fault)
    {
        fault = $"cannot parse {GoText.Quote(text)} to a valid duration";
        if (!NumberText.TryParseFloat(text, out var seconds)) return Durations.TryParse(text, out var milliseconds) is null ? milliseconds : null;
        if (Math.Abs(seconds) <= Durations.MaxMs / 1000d) return (long)(seconds * 1000);
        fault += ". It overflows int64";
        return null;
    }

    /// <summary>How many results are wanted at most; 0 for all.</summary>
    public int Limit()
    {
        var text = Text("limit");
        if (text.Length == 0) return 0;
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var limit))
            throw PrometheusException.BadParameter("limit", $"strconv.Atoi: parsing {GoText.Quote(text)}: invalid syntax");
        return limit >= 0 ? limit : throw PrometheusException.BadParameter("limit", "limit must be non-negative");
    }

    /// <summary>The steps of a range query.</summary>
    public StepGrid Grid()
    {
        var (start, end) = (Time("start", null), Time("end", null));
        if (end < start) throw PrometheusException.BadParameter("end", "end timestamp must not be before start time");
        var step = Duration("step") ?? throw PrometheusException.BadParameter("step", "cannot parse \"\" to a valid duration");
        if (step <= 0)
            throw PrometheusException.BadParameter("step", "zero or negative query resolution step widths are not accepted. Try a positive integer");
        if ((end - start) / step > MaxPoints)
        {
            throw PrometheusException.BadData(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
        }
        return StepGrid.Range(start, end, step);
    }

    /// <summary>Unix seconds with a fraction, or RFC 3339.</summary>
    private static bool TryTime(string text, out long milliseconds)
    {
        milliseconds = 0;
        if (NumberText.TryParseFloat(text, out var seconds))
        {
            // Beyond this, milliseconds are not exact any more, and no sample can be.
            if (!(Math.Abs(seconds) < 9e12)) return false;
            milliseconds = (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero);
            return true;
        }
        if (!Rfc3339(text) || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return false;
        milliseconds = time.ToUnixTimeMilliseconds();
        return true;
    }

    /// <summary>2006-01-02T15:04:05[.fraction](Z|+07:00): .NET would take much else for a time.</summary>
    private static bool Rfc3339(string text) =>
        text.Length >= 20 && text[4] == '-' && text[7] == '-' && text[10] is 'T' or 't' && text[13] == ':' && text[16] == ':'
        && (text[^1] is 'Z' or 'z' || (text[^6] is '+' or '-' && text[^3] == ':'));
}
