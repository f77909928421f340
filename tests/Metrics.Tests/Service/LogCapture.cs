using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Vigil.Metrics.Tests.Service;

/// <summary>Keeps what a host logs.</summary>
internal sealed class LogCapture : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(string Event, string Line)> lines = new();

    /// <summary>The lines of one event.</summary>
    public IReadOnlyList<string> Of(string name) => [.. lines.Where(l => l.Event == name).Select(l => l.Line)];

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        lines.Enqueue((eventId.Name ?? "", formatter(state, exception)));

    public void Dispose()
    {
    }
}
