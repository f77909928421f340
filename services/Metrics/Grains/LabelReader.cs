using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Finds labels from the index and the times of series, without their samples: only of a series whose newest sample is after the window those in memory are
/// looked at.
/// </summary>
internal sealed class LabelReader(SeriesTable table, LabelRequest request, SampleBuffer scratch)
{
    private readonly List<HistogramPoint> points = [];

    public LabelReply Read()
    {
        if (request.Wanted == LabelsOf.Series)
        {
            var series = new Smallest<LabelSet>(request.Most, LabelOrder.Compare);
            foreach (var entry in Found())
            {
                series.Add(entry.Labels);
                if (request.IsRefusal && series.IsFull) break;
            }
            return new LabelReply { Series = series.Take() };
        }
        var texts = new Smallest<string>(request.Most, string.CompareOrdinal);
        if (Array.Exists(request.Selectors, s => s.Length == 0)) ReadAll(texts);
        else ReadFound(texts);
        return new LabelReply { Texts = texts.Take() };
    }

    /// <summary>Without looking at more series of a name or a value than it takes to find one in the window.</summary>
    private void ReadAll(Smallest<string> texts)
    {
        if (request.Wanted == LabelsOf.Names)
        {
            foreach (var name in table.Names)
            {
                if (table.Postings(name).Any(AnyInWindow)) texts.Add(name);
            }
            return;
        }
        foreach (var posting in table.Postings(request.Label))
        {
            if (AnyInWindow(posting)) texts.Add(posting.Value);
            if (request.IsRefusal && texts.IsFull) return;
        }
    }

    private void ReadFound(Smallest<string> texts)
    {
        var seen = new bool[table.LabelNumbers];
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in Matching())
        {
            if (request.IsRefusal && texts.IsFull) return;
            var numbers = table.LabelsOf(entry);
            if (!AnyNew(numbers, seen) || !IsInWindow(entry)) continue;
            foreach (var number in numbers)
            {
                if (seen[number]) continue;
                seen[number] = true;
                var label = table.Label(number);
                if (request.Wanted == LabelsOf.Values ? label.Name == request.Label : names.Add(label.Name))
                    texts.Add(request.Wanted == LabelsOf.Values ? label.Value : label.Name);
            }
        }
    }

    private bool AnyNew(ReadOnlySpan<int> numbers, bool[] seen)
    {
        foreach (var number in numbers)
        {
            if (!seen[number] && (request.Wanted == LabelsOf.Names || table.Label(number).Name == request.Label)) return true;
        }
        return false;
    }

    private IEnumerable<SeriesEntry> Found()
    {
        // Several selectors may find the same.
        var seen = request.Selectors.Length > 1 ? new HashSet<int>() : null;
        return Matching().Where(entry => (seen is null || seen.Add(entry.Id)) && IsInWindow(entry));
    }

    private IEnumerable<SeriesEntry> Matching()
    {
        var found = new List<SeriesEntry>();
        foreach (var selector in request.Selectors)
        {
            found.Clear();
            table.Find(Array.ConvertAll(selector, m => LabelMatcher.Create(m.Name, m.Kind, m.Value)), found);
            foreach (var entry in found) yield return entry;
        }
    }

    private bool AnyInWindow(Posting posting)
    {
        foreach (var id in posting.Ids)
        {
            if (table.TryFind(id, out var entry) && IsInWindow(entry)) return true;
        }
        return false;
    }

    private bool IsInWindow(SeriesEntry entry)
    {
        var last = entry.LastTime;
        if (last == long.MinValue || last < request.From) return false;
        if (last <= request.To) return true;
        if (entry.TryReadLast(request.From, request.To, scratch, out _, out _)) return true;
        if (entry.Histograms is { } histograms)
        {
            points.Clear();
            histograms.Read(request.From, request.To, points);
            if (points.Count > 0 || request.From <= histograms.EvictedThrough) return true;
        }
        // What has left memory is not read for this: it is held for there.
        return request.From <= entry.EvictedThrough;
    }
}
