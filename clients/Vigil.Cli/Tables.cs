using Spectre.Console;

namespace Vigil.Cli;

/// <summary>The look of tables: no frame, so that they can be cut and searched with the usual tools.</summary>
internal static class Tables
{
    public static Table New(params string[] columns)
    {
        var table = new Table { Border = TableBorder.Simple, UseSafeBorder = true };
        foreach (var column in columns) table.AddColumn(new TableColumn($"[bold]{Markup.Escape(column)}[/]"));
        return table;
    }

    /// <summary>Text as it is: brackets in labels are not markup, and control characters are shown.</summary>
    public static Markup Cell(string text, string style = "default") => new($"[{style}]{Markup.Escape(Terminal.Visible(text))}[/]");
}
