namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Storage</c>. PostgreSQL is used instead of files when <c>ConnectionStrings:postgres</c> is set.</summary>
public sealed class StorageOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Storage";

    /// <summary>Folder of the SQLite files, one per service; made, owner-only, when it is not there. Default <c>data</c>.</summary>
    public string Directory { get; set; } = "data";

    /// <summary>
    /// <c>full</c> (default): a commit waits for the disk, so that what was acknowledged survives a power cut. <c>normal</c>: survives a
    /// crash of the process, but the newest commits may be lost with the power. SQLite only.
    /// </summary>
    public string Synchronous { get; set; } = "full";

    /// <summary>How long to wait for a lock that another process holds on the file, 0 to 10 minutes. Default 5 s.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Schema in PostgreSQL; default <c>vigil_</c> and the service's name. Letters, digits and underscores, at most 63.</summary>
    public string? Schema { get; set; }

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (string.IsNullOrWhiteSpace(Directory)) yield return new(nameof(Directory), Directory, "the path of a folder");
        if (Synchronous is not ("full" or "normal")) yield return new(nameof(Synchronous), Synchronous, "full or normal");
        if (BusyTimeout < TimeSpan.Zero || BusyTimeout > TimeSpan.FromMinutes(10))
            yield return new(nameof(BusyTimeout), BusyTimeout, "00:00:00 to 00:10:00");
        if (Schema is not null && !IsIdentifier(Schema))
            yield return new(nameof(Schema), Schema, "1 to 63 lower-case letters, digits and underscores, not starting with a digit");
    }

    internal static bool IsIdentifier(string text) =>
        text.Length is > 0 and <= 63 && !char.IsAsciiDigit(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_');
}
