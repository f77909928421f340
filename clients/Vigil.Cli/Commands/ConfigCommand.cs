using System.CommandLine;
using Spectre.Console;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil config</c>: remembers addresses and token.</summary>
internal static class ConfigCommand
{
    public static Command Create()
    {
        var command = new Command("config", "Remember addresses and token, or show what is remembered.");
        command.Subcommands.Add(Set());
        var show = new Command("show", "Print what is remembered; the token is not printed.");
        show.Run((parsed, _) =>
        {
            var saved = SavedConfig.Load();
            if (parsed.GetValue<bool>("--json"))
            {
                Json.Print(new { file = SavedConfig.FilePath, metrics = saved.Metrics, alerting = saved.Alerting, token = saved.Token is not null });
                return Task.FromResult(ExitCode.Done);
            }
            var table = Tables.New("Key", "Value");
            table.AddRow(Tables.Cell("file"), Tables.Cell(SavedConfig.FilePath));
            table.AddRow(Tables.Cell("metrics"), Tables.Cell(saved.Metrics?.ToString() ?? "-"));
            table.AddRow(Tables.Cell("alerting"), Tables.Cell(saved.Alerting?.ToString() ?? "-"));
            table.AddRow(Tables.Cell("token"), Tables.Cell(saved.Token is null ? "-" : "set"));
            AnsiConsole.Write(table);
            return Task.FromResult(ExitCode.Done);
        });
        var clear = new Command("clear", "Forget addresses and token.");
        clear.Run((_, _) =>
        {
            File.Delete(SavedConfig.FilePath);
            return Task.FromResult(ExitCode.Done);
        });
        command.Subcommands.Add(show);
        command.Subcommands.Add(clear);
        return command;
    }

    private static Command Set()
    {
        // The options of the connection are global: here they are what is to be remembered.
        var set = new Command("set", "Remember what is given: --metrics, --alerting, --token (a token of '-' is read from standard input).");
        set.Run(async (parsed, cancellationToken) =>
        {
            var saved = SavedConfig.Load();
            var metrics = parsed.GetValue<Uri?>("--metrics");
            var alerting = parsed.GetValue<Uri?>("--alerting");
            var token = parsed.GetValue<string?>("--token");
            if (metrics is null && alerting is null && token is null)
                throw new CliException(ExitCode.Usage, "give at least one of --metrics, --alerting, --token");
            if (token == "-") token = (await Console.In.ReadLineAsync(cancellationToken).ConfigureAwait(false))?.Trim();
            (saved with { Metrics = metrics ?? saved.Metrics, Alerting = alerting ?? saved.Alerting, Token = token ?? saved.Token }).Save();
            AnsiConsole.MarkupLineInterpolated($"saved to {SavedConfig.FilePath}");
            return ExitCode.Done;
        });
        return set;
    }
}
