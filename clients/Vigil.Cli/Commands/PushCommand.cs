using System.CommandLine;
using System.Text;
using Spectre.Console;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil push</c>: samples from the command line, a file or standard input; ends once they are durable.</summary>
internal static class PushCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var samples = new Argument<string[]>("sample")
        {
            Description = "As in the text format: 'name{label=\"value\"} 42 [unix-ms]'. None: read lines from standard input.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var file = new Option<FileInfo?>("--file") { Description = "Read lines of the text format from this file." };
        var job = new Option<string>("--job") { Description = "The monitored service, where a sample names none.", DefaultValueFactory = _ => "vigil-push" };
        var instance = new Option<string>("--instance") { Description = "Where a sample names none.", DefaultValueFactory = _ => Environment.MachineName };
        var timeout = new Option<int>("--timeout") { Description = "Seconds to wait for the server's next acknowledgement.", DefaultValueFactory = _ => 30 };
        timeout.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 86_400) r.AddError("--timeout: 1 to 86,400 seconds");
        });
        var command = new Command("push", "Send samples, and wait until they are durable.") { samples, file, job, instance, timeout };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "ingest");
            var given = parsed.GetValue(samples) is { Length: > 0 } texts ? texts : null;
            using var input = given is not null ? new StringReader(string.Join('\n', given))
                : parsed.GetValue(file) is { } f ? new StreamReader(f.FullName)
                : Console.IsInputRedirected ? new StreamReader(Console.OpenStandardInput(), Encoding.UTF8)
                : (TextReader)new StringReader(Nothing());
            using var client = to.Open();
            var push = new Push(client, new Dictionary<string, string> { ["job"] = parsed.GetValue(job)!, ["instance"] = parsed.GetValue(instance)! }, TimeSpan.FromSeconds(parsed.GetValue(timeout)), TimeProvider.System);
            await using var _ = push.ConfigureAwait(false);
            var ended = await push.RunAsync(new LineReader(input), given is null ? parsed.GetValue(file)?.Length : null, !to.Json && !Console.IsErrorRedirected, cancellationToken).ConfigureAwait(false);
            return Report(push, ended, to.Json);
        });
        return command;
    }

    private static string Nothing() => throw new CliException(ExitCode.Usage, "nothing to push: give samples, --file, or lines on standard input");

    private static int Report(Push push, PushEnd ended, bool json)
    {
        var done = push.Statistics;
        if (json)
        {
            Json.Print(new { recorded = done.Recorded, accepted = done.Accepted, refused = done.Refused, duplicate = done.Duplicate, unacknowledged = done.Unacknowledged, refusals = push.Refusals });
        }
        else
        {
            foreach (var refusal in push.Refusals) AnsiConsole.MarkupLineInterpolated($"[red]refused[/] {Terminal.Visible(refusal.Series)}: {Terminal.Visible(refusal.Detail)}");
            if (push.RefusalsLeftOut > 0) AnsiConsole.MarkupLineInterpolated($"[red]refused[/] ... and {push.RefusalsLeftOut} more such answers");
            AnsiConsole.MarkupLineInterpolated($"{done.Accepted} accepted, {done.Refused} refused, {done.Duplicate} known already");
        }
        var waiting = $"{done.Unacknowledged} of {done.Recorded} samples read so far were not acknowledged";
        if (ended == PushEnd.Interrupted)
        {
            throw new CliException(ExitCode.Interrupted, done.Unacknowledged == 0 ? $"interrupted: all {done.Recorded} samples read so far are acknowledged"
                : $"interrupted: {waiting}; pushed again, samples that carry their own time are not counted twice");
        }
        if (ended == PushEnd.TimedOut) throw new CliException(ExitCode.Unreachable, $"{waiting}, and no acknowledgement came within --timeout{(push.LastFailure is { } e ? $": {e.Message}" : "")}");
        return done.Refused > 0 || push.Refusals.Count > 0 ? ExitCode.Refused : ExitCode.Done;
    }
}
