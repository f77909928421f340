using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Spectre.Console;
using Vigil.Client;
using Status = Grpc.Core.Status;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil watch EXPR</c>: follows a value; a live table in a terminal, a line per change otherwise.</summary>
internal static class WatchCommand
{
    public static Command Create(ConnectionOptions connection)
    {
        var expression = new Argument<string>("expr") { Description = "PromQL that yields an instant vector or a scalar." };
        var heartbeat = new Option<int>("--heartbeat") { Description = "Milliseconds between signs of life, 100 to 60,000.", DefaultValueFactory = _ => 1000 };
        heartbeat.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() is < 100 or > 60_000) r.AddError("--heartbeat: 100 to 60,000 milliseconds");
        });
        var count = new Option<int>("--count") { Description = "Stop after this many changes. 0: go on until Ctrl+C." };
        var command = new Command("watch", "Follow the value of a PromQL expression.") { expression, heartbeat, count };
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            var expr = parsed.GetValue(expression)!;
            var most = parsed.GetValue(count);
            using var client = to.Open();
            var values = client.WatchAsync(expr, TimeSpan.FromMilliseconds(parsed.GetValue(heartbeat)), cancellationToken);
            if (to.Json || Console.IsOutputRedirected) await PrintLinesAsync(values, to.Json, most).ConfigureAwait(false);
            else await ShowTableAsync(values, expr, most).ConfigureAwait(false);
            if (cancellationToken.IsCancellationRequested || most > 0) return ExitCode.Done;
            throw new RpcException(new Status(StatusCode.Unavailable, "the server ended the watch"));
        }, interrupted: ExitCode.Done);
        return command;
    }

    private static async Task PrintLinesAsync(IAsyncEnumerable<WatchedValue> values, bool json, int most)
    {
        var changes = 0;
        await foreach (var value in values.ConfigureAwait(false))
        {
            if (value.Error is { } error && !json) throw new CliException(ExitCode.Usage, error);
            if (!value.Changed && !json) continue;
            if (json)
            {
                Json.Print(new
                {
                    at = value.At.ToUnixTimeMilliseconds() / 1000.0,
                    changed = value.Changed,
                    inputSeries = value.InputSeries,
                    error = value.Error,
                    vector = value.Values?.Select(QueryCommand.Element),
                });
            }
            else
            {
                var time = value.At.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
                if (value.Values is null or { Count: 0 }) Console.Out.WriteLine($"{time}  no series ({value.InputSeries} input series)");
                foreach (var v in value.Values ?? []) Console.Out.WriteLine($"{time}  {v.Series}  {v.ValueText}");
            }
            if (value.Changed && most > 0 && ++changes >= most) return;
        }
    }

    private static Task ShowTableAsync(IAsyncEnumerable<WatchedValue> values, string expr, int most)
    {
        return AnsiConsole.Live(new Markup("[grey]waiting for the first value[/]")).StartAsync(async live =>
        {
            var changes = 0;
            await foreach (var value in values.ConfigureAwait(false))
            {
                if (value.Error is { } error) throw new CliException(ExitCode.Usage, error);
                var table = QueryCommand.Vector(value.Values ?? []);
                table.Title = new TableTitle(Markup.Escape($"{expr}  at {value.At:HH:mm:ss} UTC, {value.InputSeries} input series"));
                live.UpdateTarget(table);
                if (value.Changed && most > 0 && ++changes >= most) return;
            }
        });
    }
}
