using System.CommandLine;
using System.Text.Json;
using Grpc.Core;
using Spectre.Console;

namespace Vigil.Cli;

/// <summary>The exit codes of <c>vigil</c>.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Refused = 1;
    public const int Usage = 2;
    public const int Unreachable = 3;
    public const int NotAllowed = 4;

    /// <summary>128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGTERM: what <see cref="Interrupted"/> becomes where that ended the command.</summary>
    public const int Terminated = 143;
}

/// <summary>Ends a command with a message and an exit code.</summary>
internal sealed class CliException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>The one place where failures become messages and exit codes.</summary>
internal static class Failures
{
    /// <summary>
    /// Gives a command its action: failures are printed to standard error, one line, and become the exit code. Ctrl+C makes it
    /// <paramref name="interrupted"/>: done, for what goes on until then.
    /// </summary>
    public static void Run(this Command command, Func<ParseResult, CancellationToken, Task<int>> action, int interrupted = ExitCode.Interrupted) =>
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                return await action(parsed, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return interrupted;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled && cancellationToken.IsCancellationRequested)
            {
                return interrupted;
            }
            catch (CliException e)
            {
                return Print(e.Message, e.ExitCode);
            }
            catch (RpcException e)
            {
                return Print(Explain(e), CodeOf(e.StatusCode));
            }
            catch (HttpRequestException e)
            {
                return Print(e.Message, ExitCode.Unreachable);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return Print(e.Message, ExitCode.Usage);
            }
        });

    public static int CodeOf(StatusCode status) => status switch
    {
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => ExitCode.Unreachable,
        StatusCode.Unauthenticated or StatusCode.PermissionDenied => ExitCode.NotAllowed,
        StatusCode.InvalidArgument => ExitCode.Usage,
        _ => ExitCode.Refused,
    };

    public static string Explain(RpcException e) => e.StatusCode switch
    {
        StatusCode.Unavailable => $"cannot reach the service: {e.Status.Detail}",
        StatusCode.Unauthenticated => $"{e.Status.Detail} (give a token: VIGIL_TOKEN, or `vigil config set --token`)",
        _ => e.Status.Detail.Length > 0 ? e.Status.Detail : e.StatusCode.ToString(),
    };

    private static int Print(string message, int code)
    {
        Terminal.Error().MarkupLineInterpolated($"[red]vigil:[/] {Terminal.Visible(message)}");
        return code;
    }
}

/// <summary>The JSON that <c>--json</c> prints: camelCase, one object a line.</summary>
internal static class Json
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Print(object value) => Console.Out.WriteLine(Text(value));

    public static string Text(object value) => JsonSerializer.Serialize(value, Format);
}
