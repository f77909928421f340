using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Vigil.Alerting.V1;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil alerts</c>: what is pending and firing, or with --follow what changes.</summary>
internal static class AlertsCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var all = Flag.Create("--all", "Also what was resolved within the last 15 minutes.");
        var follow = Flag.Create("--follow", "Go on with each change as it happens.", "-f");
        var exitCode = Flag.Create("--fail-when-firing", "Exit with 1 when anything fires: for scripts.");
        var command = new Command("alerts", "Show alerts that are pending or firing.") { all, follow, exitCode };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            using var vigil = to.Open();
            var client = new Alerts.AlertsClient(vigil.AlertingInvoker);
            var request = new ListAlertsRequest { Statuses = { AlertStatus.Pending, AlertStatus.Firing } };
            if (parsed.GetValue(all)) request.Statuses.Add(AlertStatus.Resolved);
            var response = await client.ListAlertsAsync(request, deadline: Deadline.In(30), cancellationToken: cancellationToken).ConfigureAwait(false);
            if (to.Json) foreach (var alert in response.Alerts) Json.Print(Shape(alert));
            else Print(response.Alerts);
            if (parsed.GetValue(follow)) await FollowAsync(client, to.Json, cancellationToken).ConfigureAwait(false);
            return parsed.GetValue(exitCode) && response.Alerts.Any(a => a.Status == AlertStatus.Firing) ? ExitCode.Refused : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IReadOnlyCollection<Alert> alerts)
    {
        if (alerts.Count == 0)
        {
            AnsiConsole.MarkupLine("[green]no alerts[/]");
            return;
        }
        var table = Tables.New("State", "Severity", "Alert", "Labels", "Value", "Since (UTC)", "Input");
        foreach (var alert in alerts)
        {
            var since = DateTimeOffset.FromUnixTimeMilliseconds(alert.ActiveAtUnixMs);
            table.AddRow(
                Tables.Cell(Name(alert.Status), Style(alert.Status)), Tables.Cell(alert.Response?.Severity ?? ""),
                Tables.Cell(alert.Labels.GetValueOrDefault("alertname", alert.Policy)), Tables.Cell(Labels(alert)),
                Tables.Cell(Vigil.Client.SeriesText.Format(alert.Value)), Tables.Cell(since.ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture)),
                Tables.Cell(alert.Sight switch { Sight.NoData => "no data", Sight.Unknown => "unknown", _ => "ok" }));
        }
        AnsiConsole.Write(table);
    }

    private static async Task FollowAsync(Alerts.AlertsClient client, bool json, CancellationToken cancellationToken)
    {
        using var call = client.WatchAlerts(new WatchAlertsRequest { OnlyNew = true }, cancellationToken: cancellationToken);
        while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
        {
            var change = call.ResponseStream.Current;
            if (json) Json.Print(Shape(change));
            else AnsiConsole.MarkupLineInterpolated($"{Time(change.AtUnixUs)}  {Terminal.Visible(Sentence(change))}");
        }
    }

    private static string Sentence(AlertTransition change)
    {
        var latency = change.CauseReceivedUnixUs > 0
            ? string.Create(CultureInfo.InvariantCulture, $"  [{(change.AtUnixUs - change.CauseReceivedUnixUs) / 1000.0:0.0} ms after the sample]")
            : "";
        return change.ChangeCase switch
        {
            AlertTransition.ChangeOneofCase.Alert =>
                $"{change.Alert.Alert.Labels.GetValueOrDefault("alertname", change.Policy)}{{{Labels(change.Alert.Alert)}}}: {Name(change.Alert.From)} -> {Name(change.Alert.To)}: {change.Reason}{latency}",
            AlertTransition.ChangeOneofCase.Sight => $"{change.Policy}: input {change.Sight.From} -> {change.Sight.To}: {change.Reason}",
            AlertTransition.ChangeOneofCase.Delivery =>
                $"{change.Delivery.Alertname}: {change.Delivery.Status} page {(change.Delivery.Delivered ? "delivered" : "GIVEN UP")} by {change.Delivery.Channel} (attempts: {change.Delivery.Attempts}){latency}",
            _ => change.Reason,
        };
    }

    private static object Shape(Alert a) => new
    {
        state = Name(a.Status),
        policy = a.Policy,
        fingerprint = a.Fingerprint,
        severity = a.Response?.Severity,
        labels = a.Labels,
        annotations = a.Annotations,
        value = a.Value,
        activeAt = Iso(a.ActiveAtUnixMs),
        firedAt = Iso(a.FiredAtUnixMs),
        resolvedAt = Iso(a.ResolvedAtUnixMs),
        input = a.Sight.ToString(),
    };

    private static object Shape(AlertTransition t) => new
    {
        at = t.AtUnixUs / 1e6,
        sequence = t.Sequence,
        policy = t.Policy,
        reason = t.Reason,
        latencyMs = t.CauseReceivedUnixUs > 0 ? (t.AtUnixUs - t.CauseReceivedUnixUs) / 1000.0 : (double?)null,
        from = t.Alert is { } a ? Name(a.From) : t.Sight?.From.ToString(),
        to = t.Alert is { } b ? Name(b.To) : t.Sight?.To.ToString(),
        labels = t.Alert?.Alert.Labels,
        delivery = t.Delivery is { } d ? new { channel = d.Channel, status = d.Status, delivered = d.Delivered, attempts = d.Attempts, alertname = d.Alertname } : null,
    };

    private static string Labels(Alert alert) => string.Join(",", alert.Labels.Where(l => l.Key is not ("alertname" or "severity")).OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}"));

    private static string Name(AlertStatus status) => status.ToString().ToLowerInvariant();

    private static string Style(AlertStatus status) => status switch { AlertStatus.Firing => "red", AlertStatus.Pending => "yellow", AlertStatus.Resolved => "green", _ => "default" };

    private static string Time(long microseconds) => DateTimeOffset.FromUnixTimeMilliseconds(microseconds / 1000).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private static string? Iso(long milliseconds) => milliseconds == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
