using System.CommandLine;
using Spectre.Console;
using Vigil.Client;
using Vigil.Metrics.V1;

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
        var timeout = new Option<int>("--timeout") { Description = "Seconds to wait for the server.", DefaultValueFactory = _ => 30 };
        timeout.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 1 or > 86_400) r.AddError("--timeout: 1 to 86,400 seconds");
        });
        var command = new Command("push", "Send samples, and wait until they are durable.") { samples, file, job, instance, timeout };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "ingest");
            var lines = parsed.GetValue(samples) is { Length: > 0 } given ? given
                : parsed.GetValue(file) is { } f ? File.ReadLines(f.FullName)
                : Console.IsInputRedirected ? Lines(Console.In)
                : throw new CliException(ExitCode.Usage, "nothing to push: give samples, --file, or lines on standard input");
            using var client = to.Open();
            var labels = new Dictionary<string, string> { ["job"] = parsed.GetValue(job)!, ["instance"] = parsed.GetValue(instance)! };
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(parsed.GetValue(timeout)));
            var total = parsed.GetValue(samples) is { Length: > 0 } ? null : parsed.GetValue(file)?.Length;
            return await PushAsync(client, lines, total, labels, to.Json, limit.Token, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    private static IEnumerable<string> Lines(TextReader reader)
    {
        while (reader.ReadLine() is { } line) yield return line;
    }

    private static async Task<int> PushAsync(VigilClient client, IEnumerable<string> lines, long? total, Dictionary<string, string> labels, bool json, CancellationToken cancellationToken, CancellationToken interrupted)
    {
        var refusals = new System.Collections.Concurrent.ConcurrentQueue<RefusedSamples>();
        Exception? lastFailure = null;
        var pusher = client.OpenPusher(new MetricsPusherOptions
        {
            Labels = labels,
            OnRefused = refusals.Enqueue,
            OnConnection = e => lastFailure = e,
        });
        await using var _ = pusher.ConfigureAwait(false);
        try
        {
            if (json || Console.IsErrorRedirected) await SendAsync(pusher, lines, null, cancellationToken).ConfigureAwait(false);
            else await Progress.ShowAsync("pushing", total, tick => SendAsync(pusher, lines, tick, cancellationToken)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !interrupted.IsCancellationRequested)
        {
            var stored = pusher.Statistics;
            var waiting = stored.Unacknowledged > 0 ? $"{stored.Unacknowledged} of {stored.Recorded} samples were not acknowledged" : $"the input went on, {stored.Recorded} samples of it are stored";
            throw new CliException(ExitCode.Unreachable, $"{waiting} within --timeout{(lastFailure is null ? "" : $": {lastFailure.Message}")}");
        }
        var done = pusher.Statistics;
        if (json) Json.Print(new { recorded = done.Recorded, accepted = done.Accepted, refused = done.Refused, duplicate = done.Duplicate, refusals });
        else
        {
            foreach (var refusal in refusals) AnsiConsole.MarkupLineInterpolated($"[red]refused[/] {Terminal.Visible(refusal.Series)}: {Terminal.Visible(refusal.Detail)}");
            AnsiConsole.MarkupLineInterpolated($"{done.Accepted} accepted, {done.Refused} refused, {done.Duplicate} known already");
        }
        return done.Refused > 0 || !refusals.IsEmpty ? ExitCode.Refused : ExitCode.Done;
    }

    private static async Task SendAsync(MetricsPusher pusher, IEnumerable<string> lines, Action<long>? tick, CancellationToken cancellationToken)
    {
        var kinds = new Dictionary<string, SeriesKind>();
        var (number, read) = (0L, 0L);
        foreach (var line in lines)
        {
            number++;
            // About the bytes of the file: exact where the text is ASCII with plain line ends.
            read += line.Length + 1;
            if (TextFormat.TypeLine(line) is { } type) kinds[type.Name] = type.Kind;
            if (TextFormat.Parse(line) is not { } sample)
            {
                if (TextFormat.IsComment(line)) continue;
                throw new CliException(ExitCode.Usage, $"line {number}: '{line}' is not 'name{{label=\"value\"}} value [unix-ms]'");
            }
            var kind = kinds.GetValueOrDefault(sample.Name, sample.Name.EndsWith("_total", StringComparison.Ordinal) ? SeriesKind.Counter : SeriesKind.Gauge);
            pusher.Record(pusher.Declare(sample.Name, sample.Labels, kind), sample.Value, sample.At);
            if (number % 10_000 == 0)
            {
                await pusher.FlushAsync(cancellationToken).ConfigureAwait(false);
                tick?.Invoke(read);
            }
        }
        await pusher.FlushDurableAsync(cancellationToken).ConfigureAwait(false);
    }
}
