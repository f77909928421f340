namespace Vigil.Metrics.Series;

/// <summary>
/// The arrays that series keep their samples in. They fit closely, since there are very many and each lives long: a series grows a few dozen times until its windows are full,
/// and then stays in the array it has.
/// </summary>
internal static class SampleMemory
{
    private const int Step = 16;

    /// <summary>Changes to an array of at least <paramref name="needed"/> bytes with the first <paramref name="used"/> of this one.</summary>
    public static void Grow(ref byte[] data, int used, int needed)
    {
        if (needed <= data.Length) return;
        Move(ref data, used, needed + needed / Step);
    }

    /// <summary>Changes to a shorter array where less than a third is needed: what comes and goes between two checkpoints must not move it each time.</summary>
    public static void Shrink(ref byte[] data, int used)
    {
        if (used * 3 < data.Length) Move(ref data, used, used);
    }

    private static void Move(ref byte[] data, int used, int length)
    {
        var next = new byte[(length + Step - 1) / Step * Step];
        data.AsSpan(0, used).CopyTo(next);
        data = next;
    }
}
