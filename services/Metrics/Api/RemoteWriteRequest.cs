using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>A series of a request whose place is not known: its labels must be read and declared.</summary>
/// <param name="Place">Where it stands in the request.</param>
/// <param name="Key">Its key in the cache; null where its labels are written in an unusual way.</param>
/// <param name="Samples">Samples that it has here.</param>
/// <param name="Histograms">Native histograms that it has here.</param>
internal readonly record struct UnknownSeries(int Place, UInt128? Key, int Samples, int Histograms);

/// <summary>A native histogram of a request.</summary>
/// <param name="Series">Where its series lives.</param>
/// <param name="Place">Where the series stands in the request.</param>
/// <param name="Start">Where the histogram stands in the request.</param>
/// <param name="Length">Its bytes.</param>
internal readonly record struct WrittenHistogram(CachedSeries Series, int Place, int Start, int Length);

/// <summary>The moment at which a counter began, with nothing counted.</summary>
/// <param name="Series">Where its series lives.</param>
/// <param name="Key">The series' key in the cache.</param>
/// <param name="TimeMs">Milliseconds since 1970.</param>
internal readonly record struct CounterStart(CachedSeries Series, UInt128 Key, long TimeMs);

/// <summary>
/// Reads a remote write request by hand: the samples of series that the cache knows go straight into the columns of their grains. What it does not know is
/// listed, to be read again with <see cref="Take"/> once it is declared.
/// </summary>
internal sealed class RemoteWriteRequest(ReadOnlyMemory<byte> body, RemoteWriteFormat format, SeriesCache cache)
{
    private readonly Dictionary<WriteTarget, WriteColumns> open = [];
    private readonly RemoteWriteSymbols? symbols = format.HasSymbols ? new(body, cache) : null;
    private WriteColumns? newest;

    /// <summary>What is to be stored.</summary>
    public List<WriteColumns> Columns { get; } = [];

    /// <summary>What must be declared first.</summary>
    public List<UnknownSeries> Unknown { get; } = [];

    /// <summary>Native histograms to be stored.</summary>
    public List<WrittenHistogram> Histograms { get; } = [];

    /// <summary>Counters that began since they were last written.</summary>
    public List<CounterStart> Starts { get; } = [];

    /// <summary>Reads it all. False where it is no such message: then none of it may be stored.</summary>
    public bool TryParse()
    {
        if (symbols?.TryRead() == false) return false;
        var input = new WireReader(body.Span);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            var place = input.Position;
            if (tag == (ulong)format.SeriesTag)
            {
                if (!input.TryBytes(out var series) || !TryTake(series, place)) return false;
            }
            else if (!TrySkip(ref input, tag))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Takes the samples of a series that is known now.</summary>
    public void Take(in UnknownSeries unknown, CachedSeries found)
    {
        var columns = ColumnsOf(found.Target);
        var before = columns.Count;
        TryReadSamples(SeriesAt(unknown.Place), unknown.Place, found, columns, out _, out _, out _, out var start);
        if (unknown.Key is { } key) NoteStart(unknown.Place, key, found, columns, before, start);
    }

    /// <summary>A series that turned out not to be known.</summary>
    public UnknownSeries Look(int place)
    {
        var series = SeriesAt(place);
        var labels = LeadingLabels(series);
        TryReadSamples(series[labels..], place, default, null, out var samples, out var histograms, out _, out _);
        return new UnknownSeries(place, TryKey(series[..labels], out var key) ? key : null, samples, histograms);
    }

    /// <summary>Lets go of everything that was gathered; the request itself stays.</summary>
    public void Clear()
    {
        Columns.Clear();
        open.Clear();
        Unknown.Clear();
        Histograms.Clear();
        Starts.Clear();
        newest = null;
    }

    /// <summary>The bytes of a histogram.</summary>
    public ReadOnlySpan<byte> BytesOf(in WrittenHistogram histogram) => body.Span.Slice(histogram.Start, histogram.Length);

    /// <summary>The labels of a series as they were sent, and what else it says of itself. False, with the reason, where they cannot be read.</summary>
    public bool TryDescribe(int place, List<Label> labels, out SeriesKind kind, out string help, out string unit, out string fault)
    {
        (kind, help, unit, fault) = (SeriesKind.Unknown, "", "", "");
        symbols?.Begin();
        var input = new WireReader(SeriesAt(place));
        while (!input.IsAtEnd && input.TryVarint(out var tag))
        {
            if (tag == RemoteWriteFormat.LabelsTag && input.TryBytes(out var bytes))
            {
                var read = symbols is null ? RemoteWriteLabels.TryRead(bytes, labels) : symbols.TryRead(bytes, labels, out fault);
                if (read) continue;
                if (fault.Length == 0) fault = "a label is no text of UTF-8";
                return false;
            }
            if (symbols is not null && tag == RemoteWriteFormat.MetadataTag && input.TryBytes(out var metadata)) symbols.ReadMetadata(metadata, out kind, out help, out unit);
            else if (symbols is not null && tag == 1 << 3 && input.TryVarint(out var number)) symbols.Unpacked(number, labels);
            else TrySkip(ref input, tag);
        }
        return true;
    }

    private ReadOnlySpan<byte> SeriesAt(int place)
    {
        var input = new WireReader(body.Span[place..]);
        return input.TryBytes(out var series) ? series : throw new InvalidOperationException("a series that was read once cannot be read again");
    }

    private bool TryTake(ReadOnlySpan<byte> series, int place)
    {
        var labels = LeadingLabels(series);
        UInt128? key = TryKey(series[..labels], out var whole) ? whole : null;
        if (key is not null && cache.TryFind(whole, out var found))
        {
            var columns = ColumnsOf(found.Target);
            var (before, histograms) = (columns.Count, Histograms.Count);
            if (!TryReadSamples(series[labels..], place, found, columns, out _, out _, out var late, out var start)) return false;
            if (!late)
            {
                NoteStart(place, whole, found, columns, before, start);
                return true;
            }
            // More labels after the samples: it is another series than it seemed to be.
            columns.Truncate(before);
            Histograms.RemoveRange(histograms, Histograms.Count - histograms);
        }
        if (!TryReadSamples(series[labels..], place, default, null, out var samples, out var natives, out var unusual, out _)) return false;
        Unknown.Add(new UnknownSeries(place, unusual ? null : key, samples, natives));
        return true;
    }

    // A counter that began before its first sample here, and is not known to have: it began with zero, as the sender did not say otherwise.
    private void NoteStart(int place, UInt128 key, CachedSeries found, WriteColumns columns, int first, long start)
    {
        if (start <= 0 || start == found.StartMs || columns.Count == first || start >= columns.TimeAt(first)) return;
        TryDescribe(place, [], out var kind, out _, out _, out _);
        if (kind == SeriesKind.Counter) Starts.Add(new CounterStart(found, key, start));
        else cache.Started(key, found, start);
    }

    private bool TryKey(ReadOnlySpan<byte> labels, out UInt128 key)
    {
        if (symbols is not null) return symbols.TryKey(labels, out key);
        key = cache.KeyOf(labels);
        return true;
    }

    // Senders write a series' labels first: the bytes up to here are what it is known by.
    private static int LeadingLabels(ReadOnlySpan<byte> series)
    {
        var input = new WireReader(series);
        var end = 0;
        while (!input.IsAtEnd && series[end] == RemoteWriteFormat.LabelsTag && input.TryVarint(out _) && input.TryBytes(out _)) end = input.Position;
        return end;
    }

    /// <summary>Counts samples, and where there are columns puts them there. False where the bytes are no series.</summary>
    private bool TryReadSamples(ReadOnlySpan<byte> series, int place, CachedSeries found, WriteColumns? columns, out int samples, out int histograms, out bool labels, out long start)
    {
        (samples, histograms, labels, start) = (0, 0, false, 0);
        var input = new WireReader(series);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            if (tag == RemoteWriteFormat.SampleTag)
            {
                if (!input.TryBytes(out var sample) || !TryReadSample(sample, out var time, out var value)) return false;
                columns?.Add(found.Id, time, value, place);
                samples++;
            }
            else if (tag == (ulong)format.HistogramTag)
            {
                if (!input.TryBytes(out var histogram)) return false;
                if (columns is not null)
                {
                    body.Span.Overlaps(histogram, out var at);
                    Histograms.Add(new WrittenHistogram(found, place, at, histogram.Length));
                }
                histograms++;
            }
            else if (tag == RemoteWriteFormat.StartTag && symbols is not null)
            {
                if (!input.TryVarint(out var number)) return false;
                start = (long)number;
            }
            else
            {
                labels |= tag >> 3 == 1;
                if (!TrySkip(ref input, tag)) return false;
            }
        }
        return true;
    }

    private static bool TryReadSample(ReadOnlySpan<byte> sample, out long time, out double value)
    {
        const int Value = 1 << 3 | 1;
        const int Time = 2 << 3;
        (time, value) = (0, 0);
        var input = new WireReader(sample);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            switch (tag)
            {
                case Value when input.TryDouble(out value):
                    break;
                case Time when input.TryVarint(out var number):
                    time = (long)number;
                    break;
                case not (Value or Time) when TrySkip(ref input, tag):
                    break;
                default:
                    return false;
            }
        }
        return true;
    }

    // Field numbers count from 1.
    private static bool TrySkip(ref WireReader input, ulong tag) => tag is >= 8 and <= uint.MaxValue && input.TrySkip((int)(tag & 7));

    private WriteColumns ColumnsOf(WriteTarget target)
    {
        if (newest is { IsFull: false } && ReferenceEquals(newest.Target, target)) return newest;
        if (open.TryGetValue(target, out newest) && !newest.IsFull) return newest;
        open[target] = newest = new WriteColumns(target);
        Columns.Add(newest);
        return newest;
    }
}
