using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class LineFormatterTests
{
    [Fact]
    public void Write_Message_IsOneLineInUtc() =>
        Assert.Equal("2026-01-05T12:00:00.000Z WARN  Migrator: ready\n", Format(LogLevel.Warning, "Vigil.ServiceDefaults.Migrator", "ready", null));

    [Fact]
    public void Write_LineBreaksAndEscapesInAMessage_CannotForgeALine() =>
        Assert.Equal("2026-01-05T12:00:00.000Z INFO  X: a\\nb\\x1b[31m\n", Format(LogLevel.Information, "X", "a\nb\u001b[31m", null));

    [Fact]
    public void Write_Exception_FollowsIndented()
    {
        var text = Format(LogLevel.Error, "X", "failed", new InvalidOperationException("no"));

        Assert.StartsWith("2026-01-05T12:00:00.000Z ERROR X: failed\n    System.InvalidOperationException: no", text);
    }

    [Fact]
    public void Write_EscapesInAnExceptionAndBeyondAscii_ReachNoTerminal()
    {
        var text = Format(LogLevel.Error, "X", "a\u009b31m", new InvalidOperationException("no\u001b[31m"));

        Assert.StartsWith("2026-01-05T12:00:00.000Z ERROR X: a\\x9b31m\n    System.InvalidOperationException: no\\x1b[31m", text);
    }

    [Fact]
    public void Write_OperatorsFault_HasNoStackTrace()
    {
        var text = Format(LogLevel.Error, "Host", "failed", new StorageException("no disk", new IOException("inner")));

        Assert.Equal("2026-01-05T12:00:00.000Z ERROR Host: failed | no disk\n", text);
    }

    private static string Format(LogLevel level, string category, string message, Exception? exception)
    {
        using var writer = new StringWriter();
        new LineFormatter(new FakeClock()).Write(new LogEntry<string>(level, category, default, message, exception, (s, _) => s), null, writer);
        return writer.ToString();
    }
}
