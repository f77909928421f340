using System.Text.Json;
using System.Text.Json.Serialization;

namespace Vigil.Cli;

/// <summary>
/// What <c>vigil config set</c> remembers: <c>$XDG_CONFIG_HOME/vigil/config.json</c> (default <c>~/.config</c>), readable by its owner
/// only, since it holds a token.
/// </summary>
internal sealed record SavedConfig(
    [property: JsonPropertyName("metrics")] Uri? Metrics = null,
    [property: JsonPropertyName("alerting")] Uri? Alerting = null,
    [property: JsonPropertyName("token")] string? Token = null)
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static string FilePath
    {
        get
        {
            var home = ConnectionOptions.NotEmpty(Environment.GetEnvironmentVariable("XDG_CONFIG_HOME"))
                ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
            return Path.Combine(home, "vigil", "config.json");
        }
    }

    public static SavedConfig Load() => Load(FilePath);

    public void Save() => Save(FilePath);

    internal static SavedConfig Load(string path)
    {
        if (!File.Exists(path)) return new SavedConfig();
        try
        {
            var saved = JsonSerializer.Deserialize<SavedConfig>(File.ReadAllBytes(path)) ?? new SavedConfig();
            foreach (var (key, address) in ((string, Uri?)[])[("metrics", saved.Metrics), ("alerting", saved.Alerting)])
            {
                if (address is not null && ConnectionOptions.TryAddress(address.OriginalString) is null)
                    throw new CliException(ExitCode.Usage, $"{path}: {key} is '{address.OriginalString}', not an http:// or https:// address: mend it, or `vigil config clear`");
            }
            return saved;
        }
        catch (JsonException e)
        {
            throw new CliException(ExitCode.Usage, $"{path} is not valid JSON ({e.Message}): mend it, or `vigil config clear`");
        }
    }

    internal void Save(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Written beside and moved, so that an interrupted save leaves the old file whole.
        var temporary = path + ".new";
        var create = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using (var file = new FileStream(temporary, create)) JsonSerializer.Serialize(file, this, Format);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            // It holds a token: nothing of it is left lying about.
            File.Delete(temporary);
            throw;
        }
    }
}

/// <summary>The tokens that AppHost's local profile leaves in <c>data/tokens.json</c>: an object from scope to token.</summary>
internal static class LocalTokens
{
    /// <summary>The token of a scope from the nearest data/tokens.json upwards of the current folder; null where there is none.</summary>
    public static string? Find(string scope)
    {
        for (var folder = new DirectoryInfo(Environment.CurrentDirectory); folder is not null; folder = folder.Parent)
        {
            var file = Path.Combine(folder.FullName, "data", "tokens.json");
            if (!File.Exists(file)) continue;
            try
            {
                var tokens = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllBytes(file));
                return tokens?.GetValueOrDefault(scope) ?? tokens?.GetValueOrDefault("admin");
            }
            catch (Exception e) when (e is JsonException or UnauthorizedAccessException)
            {
                // Somebody else's installation: go on without a token, and let the service say what it needs.
                return null;
            }
        }
        return null;
    }
}
