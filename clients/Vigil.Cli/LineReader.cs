namespace Vigil.Cli;

/// <summary>Lines of a text that may be endless: it is never held as a whole, and no line is longer than <see cref="Longest"/>.</summary>
internal sealed class LineReader(TextReader input)
{
    /// <summary>Characters of one line.</summary>
    public const int Longest = 1 << 20;

    private char[] buffer = new char[1 << 14];
    private int start, end;
    private bool atEnd;

    /// <summary>Lines taken so far.</summary>
    public long Number { get; private set; }

    /// <summary>The next line of what has been read; null where <see cref="FillAsync"/> has to read on, or the text is over.</summary>
    /// <exception cref="CliException">The line is too long.</exception>
    public string? TryNext()
    {
        var length = buffer.AsSpan(start, end - start).IndexOf('\n');
        if (length < 0)
        {
            if (!atEnd || start == end) return null;
            length = end - start;
        }
        Check(length);
        var line = buffer.AsSpan(start, length).TrimEnd('\r').ToString();
        start = Math.Min(end, start + length + 1);
        Number++;
        return line;
    }

    /// <summary>Reads on; false where the text is over. A task that is not over at once means that whoever writes the text pauses.</summary>
    /// <exception cref="CliException">The line is too long.</exception>
    public async Task<bool> FillAsync()
    {
        if (atEnd) return false;
        if (end == buffer.Length)
        {
            Check(end - start);
            var larger = start > buffer.Length / 2 ? buffer : new char[Math.Min(buffer.Length * 2, Longest * 2)];
            Array.Copy(buffer, start, larger, 0, end - start);
            (buffer, end, start) = (larger, end - start, 0);
        }
        var read = await input.ReadAsync(buffer.AsMemory(end)).ConfigureAwait(false);
        end += read;
        atEnd = read == 0;
        // At the end there may still be a last line without its line end.
        return !atEnd || start < end;
    }

    private void Check(int length)
    {
        if (length > Longest) throw new CliException(ExitCode.Usage, $"line {Number + 1} is longer than {Longest:N0} characters");
    }
}
