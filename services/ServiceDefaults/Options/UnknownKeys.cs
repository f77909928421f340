using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Vigil.ServiceDefaults;

/// <summary>Warns, once at start, of keys in our sections that nothing reads: most are misspelt.</summary>
internal sealed partial class UnknownKeys(IConfiguration configuration, IEnumerable<KnownSection> sections, ILogger<UnknownKeys> log) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (var (key, nearest) in Find(configuration, sections)) LogUnknown(key, nearest is null ? "" : $"; did you mean {nearest}?");
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public static IReadOnlyList<(string Key, string? Nearest)> Find(IConfiguration configuration, IEnumerable<KnownSection> sections)
    {
        var found = new List<(string, string?)>();
        var known = sections.ToArray();
        foreach (var group in known.GroupBy(s => s.Section, StringComparer.OrdinalIgnoreCase))
        {
            // Sections of one name, or one within another, belong together: all their properties are known.
            var nested = known.Where(s => s.Section.StartsWith(group.Key + ":", StringComparison.OrdinalIgnoreCase)).Select(s => s.Section[(group.Key.Length + 1)..].Split(':')[0]);
            Walk(configuration.GetSection(group.Key), group.Select(s => s.Type), nested, found);
        }
        return found;
    }

    private static void Walk(IConfigurationSection section, IEnumerable<Type> types, IEnumerable<string> alsoKnown, List<(string, string?)> found)
    {
        var properties = types.SelectMany(t => t.GetProperties())
            // A list or a dictionary is filled, not set.
            .Where(p => p.CanWrite || p.PropertyType != typeof(string) && p.PropertyType.IsAssignableTo(typeof(System.Collections.IEnumerable))).ToArray();
        var names = properties.Select(p => p.Name).Concat(alsoKnown).Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        foreach (var child in section.GetChildren())
        {
            if (!names.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                var nearest = names.Select(n => (Name: n, Distance: Distance(n, child.Key))).Where(n => n.Distance <= 3).OrderBy(n => n.Distance).FirstOrDefault().Name;
                found.Add((child.Path, nearest is null ? null : $"{section.Path}:{nearest}"));
                continue;
            }
            var property = properties.FirstOrDefault(p => p.Name.Equals(child.Key, StringComparison.OrdinalIgnoreCase));
            // Only into option objects of ours; lists and dictionaries have keys of their own.
            if (property is { PropertyType: { IsClass: true, Namespace: { } ns } type } && ns.StartsWith("Vigil", StringComparison.Ordinal))
                Walk(child, [type], [], found);
        }
    }

    // Levenshtein distance, ignoring case.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + cost));
            }
        }
        return row[b.Length];
    }

    [LoggerMessage(1, LogLevel.Warning, "The configuration key {Key} is not known and has no effect{Hint}", EventName = "UnknownConfigurationKey")]
    private partial void LogUnknown(string key, string hint);
}
