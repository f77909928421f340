using System.CommandLine;
using Spectre.Console;
using Vigil.Alerting.V1;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil policies</c>: check files, list what is in force, reload.</summary>
internal static class PoliciesCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var command = new Command("policies", "Check policy files, list the policies in force, load them again.");
        command.Subcommands.Add(Check(connection));
        command.Subcommands.Add(List(connection));
        command.Subcommands.Add(Reload(connection));
        return command;
    }

    private static Command Check(ConnectionOptions connection)
    {
        var files = new Argument<FileInfo[]>("file") { Description = "Prometheus rule files, with or without Vigil's keys.", Arity = ArgumentArity.OneOrMore };
        var check = new Command("check", "Read policy files as Alerting would, and change nothing. Exit code 1 when one would be refused.") { files };
        check.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            var request = new CheckRequest();
            foreach (var file in parsed.GetValue(files)!)
                request.Files.Add(new PolicyFile { Name = file.ToString(), Content = await File.ReadAllTextAsync(file.FullName, cancellationToken).ConfigureAwait(false) });
            using var vigil = to.Open();
            var response = await new Policies.PoliciesClient(vigil.AlertingInvoker)
                .CheckAsync(request, deadline: Deadline.In(60), cancellationToken: cancellationToken).ConfigureAwait(false);
            var errors = response.Diagnostics.Count(d => d.Level == Diagnostic.Types.Level.Error);
            if (to.Json) Json.Print(new { policies = response.Policies, recordingRules = response.RecordingRules, expressionsChecked = response.ExpressionsChecked, diagnostics = response.Diagnostics.Select(Shape) });
            else
            {
                Print(response.Diagnostics);
                AnsiConsole.MarkupLineInterpolated($"{request.Files.Count} file(s), {response.Policies} policies, {response.RecordingRules} recording rules: {errors} error(s), {response.Diagnostics.Count - errors} warning(s)");
                if (errors > 0) AnsiConsole.MarkupLine("[yellow]expressions are checked once these errors are gone[/]");
                else if (!response.ExpressionsChecked) AnsiConsole.MarkupLine("[yellow]expressions were not checked: Metrics could not be asked[/]");
            }
            return errors > 0 ? ExitCode.Refused : ExitCode.Done;
        });
        return check;
    }

    private static Command List(ConnectionOptions connection)
    {
        var list = new Command("list", "The policies in force, and what each says now.");
        list.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            using var vigil = to.Open();
            var response = await new Policies.PoliciesClient(vigil.AlertingInvoker)
                .ListPoliciesAsync(new ListPoliciesRequest(), deadline: Deadline.In(30), cancellationToken: cancellationToken).ConfigureAwait(false);
            if (to.Json)
            {
                foreach (var p in response.Policies)
                    Json.Print(new { key = p.Key, state = p.Status.ToString().ToLowerInvariant(), severity = p.Response?.Severity, row = p.Response?.Row, expr = p.Expr, @for = p.ForMs / 1000.0, input = p.Sight.ToString(), inputReason = p.SightReason, pending = p.Pending, firing = p.Firing });
                return ExitCode.Done;
            }
            var table = Tables.New("Policy", "Row", "Severity", "State", "Input", "For", "Expression");
            foreach (var p in response.Policies)
            {
                table.AddRow(
                    Tables.Cell(p.Key), Tables.Cell(p.Response?.Row ?? ""), Tables.Cell(p.Response?.Severity ?? ""),
                    Tables.Cell(p.Status.ToString().ToLowerInvariant(), p.Status == AlertStatus.Firing ? "red" : p.Status == AlertStatus.Pending ? "yellow" : "default"),
                    Tables.Cell(p.Sight switch { Sight.Clear => "ok", Sight.NoData => "no data", _ => "unknown" }, p.Sight == Sight.Unknown ? "yellow" : "default"),
                    Tables.Cell(TimeSpan.FromMilliseconds(p.ForMs).ToString("c")), Tables.Cell(OneLine(p.Expr)));
            }
            AnsiConsole.Write(table);
            Print(response.Diagnostics);
            return ExitCode.Done;
        });
        return list;
    }

    private static Command Reload(ConnectionOptions connection)
    {
        var reload = new Command("reload", "Load the policy directory again; a bad file changes nothing. Needs the scope operate.");
        reload.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "operate");
            using var vigil = to.Open();
            var response = await new Policies.PoliciesClient(vigil.AlertingInvoker)
                .ReloadAsync(new ReloadRequest(), deadline: Deadline.In(60), cancellationToken: cancellationToken).ConfigureAwait(false);
            if (to.Json) Json.Print(new { applied = response.Applied, policies = response.Policies, added = response.Added, changed = response.Changed, removed = response.Removed, diagnostics = response.Diagnostics.Select(Shape) });
            else
            {
                Print(response.Diagnostics);
                AnsiConsole.MarkupLineInterpolated($"{(response.Applied ? "applied" : "NOT applied")}: {response.Policies} policies, {response.Added} added, {response.Changed} changed, {response.Removed} removed");
            }
            return response.Applied ? ExitCode.Done : ExitCode.Refused;
        });
        return reload;
    }

    private static void Print(IEnumerable<Diagnostic> diagnostics)
    {
        foreach (var d in diagnostics)
        {
            var place = d.Line > 0 ? $"{d.File}:{d.Line}:{d.Column}" : d.File;
            var error = d.Level == Diagnostic.Types.Level.Error;
            AnsiConsole.MarkupLine($"{Markup.Escape(place)}: [{(error ? "red" : "yellow")}]{(error ? "error" : "warning")}[/]: {Markup.Escape(d.Key.Length > 0 ? d.Key + ": " : "")}{Markup.Escape(d.Reason)}");
        }
    }

    private static string OneLine(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static object Shape(Diagnostic d) => new { level = d.Level.ToString().ToLowerInvariant(), file = d.File, line = d.Line, column = d.Column, key = d.Key, reason = d.Reason };
}
