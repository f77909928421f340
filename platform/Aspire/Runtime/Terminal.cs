using System.Text;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting.Runtime;

/// <summary>
/// The one way to the person's screen. In a terminal, lines scroll by above a table that stays at the bottom and is drawn anew; elsewhere there
/// are only lines. Colours only in a terminal, and not where NO_COLOR is set (https://no-color.org).
/// </summary>
internal sealed class Terminal(TextWriter output, bool live, bool colour, Func<int> width)
{
    private static readonly string[] Palette = ["\e[36m", "\e[35m", "\e[34m", "\e[33m", "\e[32m", "\e[96m", "\e[95m", "\e[94m"];

    private readonly Lock gate = new();
    private readonly Dictionary<string, string> colours = [];
    private IReadOnlyList<string> table = [];
    private int nameWidth = 7;
    private int drawn;

    /// <summary>Whether there is a table.</summary>
    public bool IsLive => live;

    public bool HasColour => colour;

    public int Width => width();

    public static Terminal ForConsole()
    {
        var isTerminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
        var hasColour = isTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        var raw = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 4096) { AutoFlush = false };
        var terminal = new Terminal(raw, isTerminal, hasColour, () => Math.Max(40, Console.WindowWidth));
        // What the AppHost itself writes must not run through the table.
        Console.SetOut(new LineWriter(terminal.Line));
        return terminal;
    }

    /// <summary>Makes room for the names in front of the lines.</summary>
    public void Names(IEnumerable<string> names)
    {
        lock (gate)
        {
            foreach (var name in names)
            {
                nameWidth = Math.Max(nameWidth, name.Length);
                colours.TryAdd(name, Palette[colours.Count % Palette.Length]);
            }
        }
    }

    /// <summary>A line of a resource's output.</summary>
    public void Log(string name, string line, bool isError)
    {
        var padded = name.PadRight(nameWidth);
        Line(!colour ? $"{padded} | {line}" : $"{colours.GetValueOrDefault(name, "\e[90m")}{padded}\e[0m {(isError ? "\e[31m|\e[0m" : "\e[90m|\e[0m")} {line}");
    }

    /// <summary>A line about a resource, said by the runtime.</summary>
    public void Say(string name, string line) => Log(name, colour ? $"\e[1m{line}\e[0m" : line, false);

    /// <summary>Something that the person must see, line by line.</summary>
    public void Error(string text)
    {
        foreach (var line in text.Split('\n')) Line(colour ? $"\e[1;31m{line}\e[0m" : line);
    }

    /// <summary>A line as it is.</summary>
    public void Line(string line)
    {
        lock (gate)
        {
            Erase();
            output.Write(line);
            output.Write('\n');
            Draw();
        }
    }

    /// <summary>Draws another table; none when empty.</summary>
    public void Table(IReadOnlyList<string> lines)
    {
        if (!live) return;
        lock (gate)
        {
            Erase();
            table = lines;
            Draw();
        }
    }

    private void Erase()
    {
        // Up to the table's first line, and away with everything below.
        if (drawn > 0) output.Write($"\e[{drawn}F\e[J");
        drawn = 0;
    }

    private void Draw()
    {
        foreach (var line in table)
        {
            output.Write(line);
            output.Write('\n');
        }
        drawn = table.Count;
        try
        {
            output.Flush();
        }
        catch (IOException)
        {
            // Nobody reads any more ("| head"). The system must still be stopped in order.
        }
    }

    /// <summary>Hands on whole lines.</summary>
    private sealed class LineWriter(Action<string> line) : TextWriter
    {
        private readonly StringBuilder partial = new();
        private readonly Lock gate = new();

        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value)
        {
            lock (gate)
            {
                if (value != '\n')
                {
                    if (value != '\r') partial.Append(value);
                    return;
                }
                line(partial.ToString());
                partial.Clear();
            }
        }
    }
}

/// <summary>Puts the AppHost's own log among the lines of the resources.</summary>
internal sealed class TerminalLoggerProvider(Terminal terminal) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new TerminalLogger(terminal);

    public void Dispose() { }

    private sealed class TerminalLogger(Terminal terminal) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            // The runtime reports what keeps the system from starting itself, without a stack; and that it was stopped, the person knows.
            if (!IsEnabled(logLevel) || exception is DistributedApplicationException or OperationCanceledException) return;
            terminal.Log("apphost", formatter(state, exception) + (exception is null ? "" : "\n" + exception), logLevel >= LogLevel.Warning);
        }
    }
}
