using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>
/// Codes a run of whole numbers by what each differs from the one before: the mean difference of late is expected, and what is left takes an adaptive Golomb-Rice
/// code whose parameter follows its mean size (as in Weinberger, Seroussi, Sapiro: "The LOSSLESS image compression algorithm LOCO-I", IEEE Trans. Image
/// Processing 9, 2000). So a steady counter, a noisy gauge and a clock with jitter all come close to their entropy, and nothing has to be known beforehand.
/// </summary>
internal struct RiceModel
{
    /// <summary>So many ones in the unary part say that something else follows.</summary>
    public const int EscapeOnes = 12;

    /// <summary>After so many numbers it learns at the same pace for good.</summary>
    public const int Settled = 12;

    // A single jump must not spoil what was learned, and nothing here may overflow.
    private const long MostLearned = 1L << 54;

    // With the unary part before it, less than is looked at at once; and far from anything that could overflow.
    private const int MostUsualWidth = 40;
    private const long MostUsualDrift = 1L << 56;

    // Means × 16.
    private long drift;
    private long magnitude;

    /// <summary>Writes the number that follows <paramref name="previous"/>.</summary>
    /// <param name="bits">Where to.</param>
    /// <param name="previous">The number before.</param>
    /// <param name="value">The number.</param>
    /// <param name="seen">How many numbers were there before, at least 1.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(ref BitSink bits, long previous, long value, int seen)
    {
        // Unchecked on purpose: differences wrap for numbers at both ends of the range, and wrap back on reading.
        var difference = unchecked(value - previous);
        var residual = unchecked(difference - (drift >> 4));
        var folded = Varint.ZigZag(residual);
        var width = Width;
        var ones = folded >> width;
        if (ones < EscapeOnes)
        {
            bits.Put((1UL << ((int)ones + 1)) - 2, (int)ones + 1);
            bits.Put(folded & ((1UL << width) - 1), width);
        }
        else
        {
            bits.Put((1UL << (EscapeOnes + 1)) - 2, EscapeOnes + 1);
            WriteLong(ref bits, folded);
        }
        Learn(difference, residual, seen);
    }

    /// <summary>Says that what follows is no number of this run: the caller writes it.</summary>
    public static void WriteEscape(ref BitSink bits) => bits.Put((1UL << (EscapeOnes + 1)) - 1, EscapeOnes + 1);

    /// <summary>Reads what <see cref="Write"/> wrote; false where <see cref="WriteEscape"/> did.</summary>
    /// <exception cref="InvalidDataException">The data ends before.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryRead(ref BitSource bits, long previous, int seen, out long value)
    {
        var width = Width;
        var ones = bits.TakeOnes(EscapeOnes);
        ulong folded;
        if (ones < EscapeOnes)
        {
            folded = ((ulong)ones << width) | bits.Take(width);
        }
        else if (bits.Take(1) == 0)
        {
            folded = ReadLong(ref bits);
        }
        else
        {
            value = 0;
            return false;
        }
        var residual = Varint.UnZigZag(folded);
        var difference = unchecked(residual + (drift >> 4));
        value = unchecked(previous + difference);
        Learn(difference, residual, seen);
        return true;
    }

    /// <summary>
    /// Reads numbers that follow one another, as <see cref="TryRead"/> does one by one, once <see cref="Settled"/> are known. Most of
    /// the time of a range query goes into this loop.
    /// </summary>
    /// <param name="bits">Where from.</param>
    /// <param name="previous">The number before; afterwards the last one.</param>
    /// <param name="numbers">Where to.</param>
    /// <returns>How many were read before one that is not of the usual kind: <see cref="TryRead"/> knows what to do.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int ReadUsual(ref BitSource bits, ref long previous, Span<long> numbers)
    {
        var (learnedDrift, learnedMagnitude, number) = (drift, magnitude, previous);
        var source = bits;
        var count = 0;
        for (; count < numbers.Length; count++)
        {
            var window = source.Peek();
            var ones = BitOperations.LeadingZeroCount(~window);
            var width = 64 - BitOperations.LeadingZeroCount((ulong)learnedMagnitude >> 4);
            if (ones >= EscapeOnes || width > MostUsualWidth || (ulong)(learnedDrift + MostUsualDrift) > 2 * MostUsualDrift) break;
            // In two steps, since a shift by 64 does nothing.
            var folded = ((ulong)ones << width) | (window << (ones + 1) >> 1 >> (63 - width));
            source.Skip(ones + 1 + width);
            // The residual and its size, from zigzag; what the next number waits for is done first.
            var sign = -(long)(folded & 1);
            var size = Math.Min((long)((folded + 1) >> 1), 2 * learnedMagnitude + 32);
            learnedMagnitude += ((size << 4) - learnedMagnitude) >> 3;
            var expected = learnedDrift >> 4;
            number = unchecked(number + expected + ((long)(folded >> 1) ^ sign));
            numbers[count] = number;
            learnedDrift += (((expected + ((size ^ sign) - sign)) << 4) - learnedDrift) >> 4;
        }
        (drift, magnitude, previous) = (learnedDrift, learnedMagnitude, number);
        bits = source;
        return count;
    }

    /// <summary>A number of any size: six bits that say how many follow.</summary>
    public static void WriteLong(ref BitSink bits, ulong value)
    {
        var count = Math.Max(1, 64 - BitOperations.LeadingZeroCount(value));
        bits.Put((ulong)count - 1, 6);
        bits.Put(value, count);
    }

    /// <summary>Reads what <see cref="WriteLong"/> wrote.</summary>
    public static ulong ReadLong(ref BitSource bits) => bits.Take((int)bits.Take(6) + 1);

    private readonly int Width => 64 - BitOperations.LeadingZeroCount((ulong)magnitude >> 4);

    private void Learn(long difference, long residual, int seen)
    {
        // Quickly at first, then as means of about the last 16 differences and 8 sizes.
        var driftShift = seen switch { 1 => 0, 2 => 1, < 6 => 2, < Settled => 3, _ => 4 };
        var sizeShift = seen switch { < 3 => 0, < 5 => 1, < 9 => 2, _ => 3 };
        var most = seen < Settled ? MostLearned : Math.Min(2 * magnitude + 32, MostLearned);
        var size = residual == long.MinValue ? most : Math.Min(Math.Abs(residual), most);
        magnitude += ((size << 4) - magnitude) >> sizeShift;
        var expected = drift >> 4;
        var learned = Math.Clamp(difference, Math.Max(expected - most, -MostLearned), Math.Min(expected + most, MostLearned));
        drift += ((learned << 4) - drift) >> driftShift;
    }
}
