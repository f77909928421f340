using System.Text;

namespace Vigil.ServiceDefaults.Yaml;

/// <summary>
/// The *.yaml and *.yml files of a directory and of the folders named below it, by their path relative to it. Other folders are not looked into: playbooks,
/// examples and the like may lie beside.
/// </summary>
/// <param name="directory">The directory.</param>
/// <param name="include">Folders below it.</param>
public sealed class YamlFolder(string directory, IEnumerable<string> include)
{
    /// <summary>Most files that are read.</summary>
    public const int MaxFiles = 1_000;

    /// <summary>The files' names.</summary>
    /// <exception cref="DirectoryNotFoundException">The directory, or a folder named, does not exist.</exception>
    public IReadOnlyList<string> List()
    {
        var files = new List<string>();
        foreach (var folder in include.Prepend(""))
        {
            files.AddRange(Directory.EnumerateFiles(Path.Combine(directory, folder))
                .Where(f => Path.GetExtension(f) is ".yaml" or ".yml")
                .Select(f => Path.GetRelativePath(directory, f).Replace('\\', '/')));
        }
        files.Sort(StringComparer.Ordinal);
        return files;
    }

    /// <summary>Reads them.</summary>
    /// <exception cref="IOException">One cannot be read, or there are more than <see cref="MaxFiles"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">One may not be read.</exception>
    public async Task<IReadOnlyList<(string Name, string Content)>> ReadAsync(CancellationToken ct)
    {
        var names = List();
        if (names.Count > MaxFiles) throw new IOException($"{directory} has {names.Count:N0} files; the limit is {MaxFiles:N0}");
        var files = new List<(string, string)>(names.Count);
        foreach (var name in names) files.Add((name, await File.ReadAllTextAsync(Path.Combine(directory, name), Encoding.UTF8, ct).ConfigureAwait(false)));
        return files;
    }

    /// <summary>
    /// Differs when a file was added, removed or written. Asking for it every few seconds also sees what change notifications
    /// miss: files behind symbolic links, as Kubernetes mounts them, and network shares.
    /// </summary>
    public string Signature()
    {
        try
        {
            var text = new StringBuilder();
            foreach (var name in List())
            {
                var info = new FileInfo(Path.Combine(directory, name));
                text.Append(name).Append('|').Append(info.LastWriteTimeUtc.Ticks).Append('|').Append(info.Exists ? info.Length : -1).Append('|').Append(info.ResolveLinkTarget(true)?.FullName).Append('\n');
            }
            return text.ToString();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"unreadable: {e.Message}";
        }
    }
}
