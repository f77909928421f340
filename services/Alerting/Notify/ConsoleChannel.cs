using System.Globalization;
using System.Text;
using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Notify;

/// <summary>One line per page, for people who watch a terminal.</summary>
internal sealed class ConsoleChannel(TextWriter output, bool colour, TimeProvider clock) : IChannel
{
    private const string Red = "\e[1;97;41m", Yellow = "\e[1;30;43m", Blue = "\e[1;97;44m", Green = "\e[1;30;42m", Reset = "\e[0m";
    private readonly Lock gate = new();

    public string Name => "console";

    public string Kind => "console";

    public string Target => "standard output";

    public IReadOnlyCollection<string> Severities => [];

    public Task<SendResult> SendAsync(Page page, CancellationToken ct)
    {
        var line = Line(page, clock.GetUtcNow());
        try
        {
            lock (gate)
            {
                output.WriteLine(line);
                output.Flush();
            }
            return Task.FromResult(SendResult.Ok);
        }
        catch (IOException e)
        {
            return Task.FromResult(SendResult.Retry("io", e.Message));
        }
    }

    private string Line(Page page, DateTimeOffset now)
    {
        var response = page.Response;
        var badge = $"{(page.IsTest ? "TEST" : page.Firing ? "PAGE" : "RESOLVED")} {response.Severity}".TrimEnd();
        var text = new StringBuilder(page.Alertname);
        var labels = page.Labels.Where(l => l.Key is not ("alertname" or "severity")).Select(l => $"{l.Key}={l.Value}").ToArray();
        if (labels.Length > 0) text.Append(" {").AppendJoin(", ", labels).Append('}');
        if (page.Annotations.GetValueOrDefault("summary") is { Length: > 0 } summary) text.Append(": ").Append(summary);
        if (page.Firing && response.RespondWithin is { } within) text.Append(" | respond within ").Append(PrometheusDuration.Format(within));
        if (page.Firing && response.Escalate.Count > 0) text.Append(" | tell ").AppendJoin(", ", response.Escalate);
        if (page.Firing && response.Action.Length > 0) text.Append(" | ").Append(response.Action);
        if (page.CauseReceivedUnixUs > 0)
            text.Append(CultureInfo.InvariantCulture, $" | {DispatchMath.Latency(page, now).TotalMilliseconds:0.0} ms after the sample");
        var back = !page.Firing ? Green : response.Level switch { 1 => Red, 2 => Yellow, _ => Blue };
        return $"{now.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)} {(colour ? $"{back} {OneLine(badge)} {Reset}" : $"[{OneLine(badge)}]")} {OneLine(text.ToString())}";
    }

    /// <summary>One page, one line: a label or annotation must not be able to print a second one, or to steer the terminal.</summary>
    private static string OneLine(string text) => new([.. text.Select(c => char.IsControl(c) ? ' ' : c)]);
}
