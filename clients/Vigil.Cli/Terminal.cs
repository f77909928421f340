using Spectre.Console;

namespace Vigil.Cli;

/// <summary>
/// Consoles: coloured and as wide as the window in a terminal, plain and as wide as the text elsewhere, so that what is piped or saved
/// has no control sequences and no wrapped lines. NO_COLOR (no-color.org) is respected.
/// </summary>
internal static class Terminal
{
    private const int UnboundedWidth = 4096;

    public static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        var plain = redirected || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            Interactive = redirected ? InteractionSupport.No : InteractionSupport.Detect,
        });
        if (redirected) console.Profile.Width = UnboundedWidth;
        return console;
    }

    /// <summary>Text that somebody else chose, with its control characters made visible: it must not drive the terminal.</summary>
    public static string Visible(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => c == '\n' ? "\\n" : char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString())) : text;

    /// <summary>Standard error.</summary>
    public static IAnsiConsole Error() => Create(Console.Error, Console.IsErrorRedirected);
}
