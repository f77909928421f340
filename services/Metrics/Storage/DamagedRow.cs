namespace Vigil.Metrics.Storage;

/// <summary>Says which row is damaged: what an operator who mends or restores it has to know.</summary>
internal static class DamagedRow
{
    /// <summary>Reads a row.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="grain">Whose it is.</param>
    /// <param name="row">Its number there.</param>
    /// <param name="read">Reads it.</param>
    /// <exception cref="InvalidDataException">It is damaged; the message names it.</exception>
    public static T Named<T>(string table, string grain, long row, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"row {row} of {grain} in {table}: {e.Message}", e);
        }
    }

    /// <inheritdoc cref="Named{T}"/>
    public static void Named(string table, string grain, long row, Action read) => Named(table, grain, row, () =>
    {
        read();
        return 0;
    });
}
