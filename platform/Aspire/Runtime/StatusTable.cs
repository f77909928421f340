using System.Globalization;
using System.Text;

namespace Aspire.Hosting.Runtime;

/// <summary>What the table shows of one process. Cpu in percent of one processor, memory in bytes; null while it does not run.</summary>
internal sealed record StatusRow(string Name, string State, StateKind Kind, string Endpoints, int Restarts, double? Cpu, long? Memory);

/// <summary>How a state is coloured.</summary>
internal enum StateKind { Idle, Busy, Good, Bad }

/// <summary>Draws the table of processes.</summary>
internal static class StatusTable
{
    private static readonly string[] Heads = ["NAME", "STATE", "ENDPOINTS", "RESTARTS", "CPU", "MEMORY"];

    /// <param name="rows">One for each process.</param>
    /// <param name="width">The columns that fit; a longer line is cut, as a wrapped one could not be drawn over.</param>
    /// <param name="colour">Whether states are coloured.</param>
    public static IReadOnlyList<string> Render(IReadOnlyList<StatusRow> rows, int width, bool colour)
    {
        var cells = rows.Select(row => (string[])[row.Name, row.State, row.Endpoints, row.Restarts.ToString(CultureInfo.InvariantCulture),
            row.Cpu is { } cpu ? cpu.ToString("0.0", CultureInfo.InvariantCulture) + "%" : "", row.Memory is { } memory ? (memory >> 20).ToString(CultureInfo.InvariantCulture) + " MB" : ""]).ToArray();
        var widths = Heads.Select((head, i) => cells.Select(c => c[i].Length).Append(head.Length).Max()).ToArray();
        var lines = new List<string> { new('-', Math.Max(0, Math.Min(width - 1, widths.Sum() + 2 * (widths.Length - 1)))) };
        lines.Add(Line(Heads, widths, width, null));
        for (var i = 0; i < rows.Count; i++)
            lines.Add(Line(cells[i], widths, width, !colour ? null : rows[i].Kind switch
            {
                StateKind.Good => "\e[32m",
                StateKind.Bad => "\e[31m",
                StateKind.Busy => "\e[33m",
                _ => "\e[90m",
            }));
        return lines;
    }

    private static string Line(string[] cells, int[] widths, int width, string? stateColour)
    {
        var line = new StringBuilder();
        var stateStart = 0;
        for (var i = 0; i < cells.Length; i++)
        {
            if (i == 1) stateStart = line.Length;
            // Numbers stand to the right.
            line.Append(i >= 3 ? cells[i].PadLeft(widths[i]) : cells[i].PadRight(widths[i])).Append("  ");
        }
        var text = line.ToString().TrimEnd();
        if (text.Length > width - 1) text = text[..Math.Max(0, width - 1)];
        if (stateColour is null || stateStart >= text.Length) return text;
        var end = Math.Min(text.Length, stateStart + widths[1]);
        return $"{text[..stateStart]}{stateColour}{text[stateStart..end]}\e[0m{text[end..]}";
    }
}
