using System.Text;

namespace Vigil.Alerting.Watch;

/// <summary>The files of the policy directory.</summary>
internal static class PolicyFiles
{
    /// <summary>Most files that are read.</summary>
    public const int MaxFiles = 1_000;

    /// <summary>
    /// The *.yaml and *.yml files of the directory and of the folders named, by their path relative to it. Other folders are not
    /// looked into: playbooks, examples and the like may lie beside the policies.
    /// </summary>
    /// <exception cref="DirectoryNotFoundException">The directory, or a folder named, does not exist.</exception>
    public static IReadOnlyList<string> List(PoliciesOptions options)
    {
        var files = new List<string>();
        foreach (var folder in options.Include.Prepend(""))
        {
            var path = Path.Combine(options.Directory, folder);
            files.AddRange(Directory.EnumerateFiles(path)
                .Where(f => Path.GetExtension(f) is ".yaml" or ".yml")
                .Select(f => Path.GetRelativePath(options.Directory, f).Replace('\\', '/')));
        }
        files.Sort(StringComparer.Ordinal);
        return files;
    }

    /// <summary>Reads them.</summary>
    public static async Task<IReadOnlyList<(string Name, string Content)>> ReadAsync(PoliciesOptions options, CancellationToken ct)
    {
        var names = List(options);
        if (names.Count > MaxFiles) throw new IOException($"{options.Directory} has {names.Count:N0} policy files; the limit is {MaxFiles:N0}");
        var files = new List<(string, string)>(names.Count);
        foreach (var name in names) files.Add((name, await File.ReadAllTextAsync(Path.Combine(options.Directory, name), Encoding.UTF8, ct).ConfigureAwait(false)));
        return files;
    }

    /// <summary>
    /// Differs when a file was added, removed or written. Asking for it every few seconds also sees what change notifications
    /// miss: files behind symbolic links, as Kubernetes mounts them, and network shares.
    /// </summary>
    public static string Signature(PoliciesOptions options)
    {
        try
        {
            var text = new StringBuilder();
            foreach (var name in List(options))
            {
                var info = new FileInfo(Path.Combine(options.Directory, name));
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
