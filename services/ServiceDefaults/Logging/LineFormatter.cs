using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Vigil.ServiceDefaults;

/// <summary>
/// One line per event: UTC time, level, last part of the category, message. Exceptions follow on indented lines. For JSON instead
/// set <c>Logging:Console:FormatterName</c> to <c>json</c>.
/// </summary>
internal sealed class LineFormatter(TimeProvider clock) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "line";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        textWriter.Write(clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        textWriter.Write(Level(logEntry.LogLevel));
        textWriter.Write(logEntry.Category.AsSpan(logEntry.Category.LastIndexOf('.') + 1));
        textWriter.Write(": ");
        // A message may hold what a caller sent: it must not be able to forge a line of its own, or drive a terminal.
        textWriter.Write(OneLine(message));
        if (logEntry.Exception is { } exception)
        {
            if (StartupFailure.Explain(exception) is { } known)
            {
                textWriter.Write(" | ");
                textWriter.Write(OneLine(known));
            }
            else
            {
                textWriter.Write("\n    ");
                textWriter.Write(string.Join("\n    ", exception.ToString().ReplaceLineEndings("\n").Split('\n').Select(OneLine)));
            }
        }
        textWriter.Write('\n');
    }

    private static string OneLine(string text) =>
        !text.Any(char.IsControl) ? text : string.Concat(text.Select(c => c switch
        {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => " ",
            // Those from 0x80 to 0x9f too: a terminal takes U+009B for the beginning of a command.
            _ when char.IsControl(c) => $"\\x{(int)c:x2}",
            _ => c.ToString(),
        }));

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Trace => " TRACE ",
        LogLevel.Debug => " DEBUG ",
        LogLevel.Information => " INFO  ",
        LogLevel.Warning => " WARN  ",
        LogLevel.Error => " ERROR ",
        _ => " FATAL ",
    };
}
