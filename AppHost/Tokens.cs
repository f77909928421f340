using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Aspire.Hosting;

namespace Vigil.AppHost;

/// <summary>The tokens of this installation, one for each scope, in a file that only its owner can read.</summary>
internal sealed class Tokens(string path, IReadOnlyDictionary<string, string> byScope)
{
    public static readonly string[] Scopes = ["ingest", "read", "operate", "admin"];

    /// <summary>Where they are kept.</summary>
    public string Path => path;

    public string this[string scope] => byScope[scope];

    /// <summary>What a service keeps of a token: the SHA-256 of its text, in lower-case hex.</summary>
    public string HashOf(string scope) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(byScope[scope])));

    /// <summary>Reads the file; makes it, or what is missing in it, with tokens of 256 random bits.</summary>
    /// <exception cref="DistributedApplicationException">The file is there and is not what it should be: it is never overwritten.</exception>
    public static Tokens LoadOrCreate(string path)
    {
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
            var tokens = System.IO.Path.Exists(path) ? Read(path) : [];
            var missing = Scopes.Where(s => string.IsNullOrWhiteSpace(tokens.GetValueOrDefault(s))).ToArray();
            if (missing.Length > 0)
            {
                foreach (var scope in missing) tokens[scope] = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
                Write(path, tokens);
            }
            return new Tokens(path, tokens);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DistributedApplicationException($"{path} cannot be read or written: {e.Message}", e);
        }
    }

    private static Dictionary<string, string> Read(string path)
    {
        if (Directory.Exists(path)) throw new DistributedApplicationException($"{path} is a folder, where the file with the tokens should be");
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & others) != 0)
            throw new DistributedApplicationException($"{path} can be read or written by others than its owner, so its tokens may be known to them: delete it to have new ones made, or, where you trust them, chmod 600 it");
        try
        {
            var tokens = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(path)) ?? throw new JsonException("it is null");
            // What else is in it would break the header that carries it, or the environment variable.
            if (tokens.FirstOrDefault(t => t.Value?.Any(c => c is <= ' ' or > '~') == true) is { Key: { } scope })
                throw new JsonException($"the token of '{scope}' has characters other than visible ASCII");
            return tokens;
        }
        catch (JsonException e)
        {
            throw new DistributedApplicationException($"{path} is not a JSON object from scope to token ({e.Message}): mend it, or delete it to have new ones made", e);
        }
    }

    private static void Write(string path, Dictionary<string, string> tokens)
    {
        // A file of its own, renamed: nobody sees half of it, and at no moment can others read it.
        var temporary = path + ".new";
        File.Delete(temporary);
        var create = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(temporary, create))
        {
            JsonSerializer.Serialize(stream, tokens, new JsonSerializerOptions { WriteIndented = true });
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }
}
