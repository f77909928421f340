namespace Vigil.Metrics.Api;

/// <summary>Unpacks Snappy's block format, into memory of the caller's.</summary>
/// <remarks>Format: <see href="https://github.com/google/snappy/blob/main/format_description.txt"/>.</remarks>
internal static class SnappyBlock
{
    /// <summary>Three bytes copy at most 64: nothing unpacks to more than so many times its size.</summary>
    private const int MaxRatio = 22;

    /// <summary>Reads the length that the block unpacks to. False where it is not readable, or more than this block can hold.</summary>
    public static bool TryReadLength(ReadOnlySpan<byte> block, out int length)
    {
        length = 0;
        if (!TryReadPreamble(block, out var stated, out _) || stated > int.MaxValue || stated > (long)block.Length * MaxRatio) return false;
        length = (int)stated;
        return true;
    }

    /// <summary>Unpacks a block. False where it is damaged, or does not fill <paramref name="target"/> exactly, which has the length that it states.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> block, Span<byte> target)
    {
        if (!TryReadPreamble(block, out var stated, out var at) || stated != target.Length) return false;
        var done = 0;
        while (at < block.Length)
        {
            var tag = block[at++];
            if ((tag & 3) == 0)
            {
                if (!TryReadLiteralLength(block, tag, ref at, out var literal) || literal > block.Length - at || literal > target.Length - done) return false;
                block.Slice(at, literal).CopyTo(target[done..]);
                at += literal;
                done += literal;
                continue;
            }
            if (!TryReadCopy(block, tag, ref at, out var length, out var offset)) return false;
            // From before the beginning, or from nowhere.
            if (offset == 0 || offset > (uint)done || length > target.Length - done) return false;
            Copy(target, done, (int)offset, length);
            done += length;
        }
        return done == target.Length;
    }

    private static bool TryReadPreamble(ReadOnlySpan<byte> block, out uint length, out int bytes)
    {
        length = 0;
        for (bytes = 0; bytes < 5 && bytes < block.Length;)
        {
            var b = block[bytes];
            // 32 bits are all that the format has.
            if (bytes == 4 && b > 0x0f) return false;
            length |= (uint)(b & 0x7f) << (7 * bytes++);
            if (b < 0x80) return true;
        }
        return false;
    }

    private static bool TryReadLiteralLength(ReadOnlySpan<byte> block, byte tag, ref int at, out int length)
    {
        length = (tag >> 2) + 1;
        if (length <= 60) return true;
        var bytes = length - 60;
        if (bytes > block.Length - at) return false;
        uint value = 0;
        for (var i = 0; i < bytes; i++) value |= (uint)block[at++] << (8 * i);
        length = (int)(value + 1);
        return value < int.MaxValue;
    }

    private static bool TryReadCopy(ReadOnlySpan<byte> block, byte tag, ref int at, out int length, out uint offset)
    {
        (length, offset) = (0, 0);
        var bytes = (tag & 3) switch { 1 => 1, 2 => 2, _ => 4 };
        if (bytes > block.Length - at) return false;
        for (var i = 0; i < bytes; i++) offset |= (uint)block[at++] << (8 * i);
        if (bytes == 1)
        {
            length = ((tag >> 2) & 7) + 4;
            offset |= (uint)(tag >> 5) << 8;
            return true;
        }
        length = (tag >> 2) + 1;
        return true;
    }

    private static void Copy(Span<byte> target, int done, int offset, int length)
    {
        var from = done - offset;
        if (offset >= length)
        {
            target.Slice(from, length).CopyTo(target[done..]);
            return;
        }
        // What is copied is written meanwhile: a pattern that repeats.
        for (var i = 0; i < length; i++) target[done + i] = target[from + i];
    }
}
