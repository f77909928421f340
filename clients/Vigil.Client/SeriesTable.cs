using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>The series declared on one stream, numbered from 1 in the order of their declaration.</summary>
internal sealed class SeriesTable
{
    private readonly Dictionary<string, SeriesHandle> known = [];
    private readonly List<SeriesDeclaration> declarations = [];

    public int Count => declarations.Count;

    public SeriesHandle Declare(string name, IEnumerable<KeyValuePair<string, string>> labels, SeriesKind kind, string unit, string help, out bool isNew)
    {
        var sorted = labels.OrderBy(l => l.Key, StringComparer.Ordinal).ToList();
        var key = SeriesText.Format([KeyValuePair.Create("__name__", name), .. sorted]);
        isNew = !known.TryGetValue(key, out var handle);
        if (!isNew) return handle;
        handle = new SeriesHandle((uint)declarations.Count + 1, name);
        var declaration = new SeriesDeclaration { Id = handle.Id, Name = name, Kind = kind, Unit = unit, Help = help };
        declaration.Labels.AddRange(sorted.Select(l => new Label { Name = l.Key, Value = l.Value }));
        known.Add(key, handle);
        declarations.Add(declaration);
        return handle;
    }

    /// <summary>The declarations from number <paramref name="start"/> + 1 on, at most <paramref name="most"/>.</summary>
    public Declare From(int start, int most)
    {
        var declare = new Declare();
        for (var i = start; i < declarations.Count && i < start + most; i++) declare.Series.Add(declarations[i]);
        return declare;
    }

    /// <summary>The declarations with these numbers.</summary>
    public Declare Of(IReadOnlyList<uint> numbers)
    {
        var declare = new Declare();
        foreach (var number in numbers) declare.Series.Add(declarations[(int)number - 1]);
        return declare;
    }
}
