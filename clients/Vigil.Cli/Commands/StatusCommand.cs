using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Spectre.Console;

namespace Vigil.Cli.Commands;

/// <summary><c>vigil status</c>: asks each service's gRPC health, which needs no token.</summary>
internal static class StatusCommand
{
    private sealed record Service(string Name, Uri Address, string State, double Milliseconds, string? Detail);

    public static Command Create(ConnectionOptions connection)
    {
        var command = new Command("status", "Ask every service how it is. Exit code 3 when one does not answer, 1 when one is not serving.");
        command.Run(async (parsed, cancellationToken) =>
        {
            var to = connection.Resolve(parsed, "read");
            var services = await Task.WhenAll(AskAsync("metrics", to.Metrics, cancellationToken), AskAsync("alerting", to.Alerting, cancellationToken)).ConfigureAwait(false);
            if (to.Json) foreach (var s in services) Json.Print(new { service = s.Name, address = s.Address, state = s.State, latencyMs = s.Milliseconds, detail = s.Detail });
            else
            {
                var table = Tables.New("Service", "Address", "State", "Latency", "Detail");
                foreach (var s in services)
                {
                    table.AddRow(Tables.Cell(s.Name), Tables.Cell(s.Address.ToString()), Tables.Cell(s.State, s.State == "serving" ? "green" : "red"),
                        Tables.Cell(string.Create(CultureInfo.InvariantCulture, $"{s.Milliseconds:0.0} ms")), Tables.Cell(s.Detail ?? ""));
                }
                AnsiConsole.Write(table);
            }
            return services.Any(s => s.State == "unreachable") ? ExitCode.Unreachable : services.Any(s => s.State != "serving") ? ExitCode.Refused : ExitCode.Done;
        });
        return command;
    }

    private static async Task<Service> AskAsync(string name, Uri address, CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(address);
        var start = TimeProvider.System.GetTimestamp();
        double Elapsed() => TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
        try
        {
            var answer = await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest(), deadline: Deadline.In(5), cancellationToken: cancellationToken).ConfigureAwait(false);
            return answer.Status == HealthCheckResponse.Types.ServingStatus.Serving
                ? new Service(name, address, "serving", Elapsed(), null)
                : new Service(name, address, "not serving", Elapsed(), "started, but not ready: its /ready page says why");
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
        {
            return new Service(name, address, "unreachable", Elapsed(), e.Status.Detail);
        }
    }
}
