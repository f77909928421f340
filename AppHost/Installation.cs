using System.Globalization;
using Aspire.Hosting;
using Microsoft.Extensions.Configuration;

namespace Vigil.AppHost;

/// <summary>
/// What lies on this machine's disk for one Vigil: data, tokens, policies. One AppHost at a time holds it: two would start the same services on the
/// same files, and each would page.
/// </summary>
internal sealed class Installation : IDisposable
{
    /// <summary>Taken as long as its process lives, whatever that dies of: the kernel lets go of it.</summary>
    private const string LockName = "apphost.lock";

    private readonly FileStream held;

    private Installation(string data, string policies, Tokens tokens, FileStream held) => (Data, Policies, Tokens, this.held) = (data, policies, tokens, held);

    public string Data { get; }

    public string Policies { get; }

    public Tokens Tokens { get; }

    /// <summary>Takes it, and makes what is not there yet. Nothing that is there and is not as it should be is changed.</summary>
    /// <exception cref="DistributedApplicationException">A setting, a file or a folder cannot be used; the message names it and says why, in one line.</exception>
    public static Installation Open(IConfiguration configuration, string repository)
    {
        var data = Folder(configuration, "Storage:Directory", "data", repository);
        var policies = Folder(configuration, "Policies:Directory", "policies", repository);
        if (!Directory.Exists(policies)) throw new DistributedApplicationException($"the policy folder {policies} does not exist: it comes from Policies:Directory");
        var held = Take(data);
        try
        {
            return new Installation(data, policies, Tokens.LoadOrCreate(Path.Combine(data, "tokens.json")), held);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    public void Dispose() => held.Dispose();

    private static string Folder(IConfiguration configuration, string key, string byDefault, string repository) => configuration[key] switch
    {
        null => Path.Combine(repository, byDefault),
        var path when string.IsNullOrWhiteSpace(path) || path.Contains('\0') => throw new DistributedApplicationException($"{key} is '{path}': give the path of a folder"),
        var path => Path.GetFullPath(path, repository),
    };

    private static FileStream Take(string data)
    {
        try
        {
            Directory.CreateDirectory(data);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(data, File.Exists(data) ? new IOException("it is a file, not a folder", e) : e);
        }
        var path = Path.Combine(data, LockName);
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        // EWOULDBLOCK, of Linux and of macOS; a sharing violation of Windows.
        catch (IOException e) when (e.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            throw new DistributedApplicationException($"the data directory {data} is in use by another AppHost{HolderOf(path)}: stop that one, or give this one a folder of its own by --Storage:Directory=...", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(data, e);
        }
    }

    private static DistributedApplicationException Unusable(string data, Exception e) =>
        new($"the data directory {data} cannot be used: {e.Message.TrimEnd('.')}. It comes from Storage:Directory", e);

    /// <summary>Who has the file open; nothing where that cannot be seen. A note in the file could be of a process long dead, and while it is locked nobody can read it.</summary>
    private static string HolderOf(string path)
    {
        if (!OperatingSystem.IsLinux()) return "";
        var real = Path.Combine(Directory.ResolveLinkTarget(Path.GetDirectoryName(path)!, true)?.FullName ?? Path.GetDirectoryName(path)!, LockName);
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var pid) && pid != Environment.ProcessId))
        {
            try
            {
                if (!Directory.EnumerateFileSystemEntries(Path.Combine(process, "fd")).Any(fd => File.ResolveLinkTarget(fd, false)?.FullName == real)) continue;
                return $", process {Path.GetFileName(process)} ({File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ').Trim()})";
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another user's process, or one that just ended.
            }
        }
        return "";
    }
}
