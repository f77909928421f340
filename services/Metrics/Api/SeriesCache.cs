using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Api;

/// <summary>A grain that series live in; one object for each.</summary>
internal sealed class WriteTarget(string grain)
{
    public string Grain => grain;
}

/// <summary>Where a series lives: known without its labels.</summary>
/// <param name="Target">Its grain.</param>
/// <param name="Id">Its number there.</param>
/// <param name="StartMs">When its counter began, as far as that is stored; milliseconds since 1970, or 0.</param>
internal readonly record struct CachedSeries(WriteTarget Target, int Id, long StartMs = 0);

/// <summary>
/// Where series live, by a hash of their labels as they were sent: so that a sample of a known series costs neither text nor
/// memory. The hash has 128 bits and a secret of this process in it: no two sets of labels meet by chance, nor by intent. Bounded: it
/// keeps two halves, and when one is full it becomes the older one, and what the older one had that was not asked for is forgotten.
/// </summary>
internal sealed class SeriesCache(IOptions<MetricsOptions> options)
{
    private readonly int most = Math.Max(1, options.Value.MaxCachedSeries / 2);
    private readonly ConcurrentDictionary<string, WriteTarget> targets = new(StringComparer.Ordinal);
    private readonly Lock turning = new();
    private readonly Secret secret = Secret.New();
    private volatile Half young = new();
    private volatile Half old = new();

    /// <summary>Series known; what both halves know counts twice.</summary>
    public int Count => young.Series.Count + old.Series.Count;

    /// <summary>The key of a series that was sent with these bytes as its labels.</summary>
    public UInt128 KeyOf(ReadOnlySpan<byte> labels)
    {
        var (low, high) = (secret.A, secret.B);
        var rest = labels;
        while (rest.Length >= 16)
        {
            Mix(BinaryPrimitives.ReadUInt64LittleEndian(rest), BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]));
            rest = rest[16..];
        }
        Span<byte> last = stackalloc byte[16];
        last.Clear();
        rest.CopyTo(last);
        Mix(BinaryPrimitives.ReadUInt64LittleEndian(last), BinaryPrimitives.ReadUInt64LittleEndian(last[8..]));
        Mix((ulong)labels.Length, ~(ulong)labels.Length);
        return new UInt128(high, low);

        // Two lanes of a multiplication with folding, as in wyhash, each with secrets of its own.
        void Mix(ulong first, ulong second)
        {
            (low, high) = (Fold(first ^ secret.C, second ^ low), Fold(first ^ high, second ^ secret.D));
            low ^= first;
            high ^= second;
        }
    }

    public bool TryFind(UInt128 key, out CachedSeries series)
    {
        if (young.Series.TryGetValue(key, out series)) return true;
        if (!old.Series.TryGetValue(key, out series)) return false;
        Add(key, series);
        return true;
    }

    /// <summary>Remembers where a series lives.</summary>
    public void Add(UInt128 key, string grain, int id) => Add(key, new CachedSeries(Target(grain), id));

    /// <summary>Remembers when the counter of a series began.</summary>
    public void Started(UInt128 key, CachedSeries series, long startMs) => Add(key, series with { StartMs = startMs });

    /// <summary>Forgets a series.</summary>
    public void Remove(UInt128 key)
    {
        if (young.Series.TryRemove(key, out _)) Interlocked.Decrement(ref young.Count);
        old.Series.TryRemove(key, out _);
    }

    /// <summary>The object for a grain. There are no more of them than grains.</summary>
    public WriteTarget Target(string grain) => targets.GetOrAdd(grain, static key => new WriteTarget(key));

    private static ulong Fold(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low;
    }

    private void Add(UInt128 key, CachedSeries series)
    {
        var half = young;
        if (!half.Series.TryAdd(key, series))
        {
            half.Series[key] = series;
            return;
        }
        if (Interlocked.Increment(ref half.Count) < most) return;
        lock (turning)
        {
            if (!ReferenceEquals(half, young)) return;
            old = half;
            young = new Half();
        }
    }

    private sealed class Half
    {
        public readonly ConcurrentDictionary<UInt128, CachedSeries> Series = new();

        // The dictionary's own count takes all its locks.
        public int Count;
    }

    private readonly record struct Secret(ulong A, ulong B, ulong C, ulong D)
    {
        public static Secret New()
        {
            Span<byte> random = stackalloc byte[32];
            RandomNumberGenerator.Fill(random);
            return new(BinaryPrimitives.ReadUInt64LittleEndian(random), BinaryPrimitives.ReadUInt64LittleEndian(random[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(random[16..]), BinaryPrimitives.ReadUInt64LittleEndian(random[24..]));
        }
    }
}
