using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Watch;

/// <summary>The files of the policy directory.</summary>
internal static class PolicyFiles
{
    /// <inheritdoc cref="YamlFolder.List"/>
    public static IReadOnlyList<string> List(PoliciesOptions options) => Folder(options).List();

    /// <inheritdoc cref="YamlFolder.ReadAsync"/>
    public static Task<IReadOnlyList<(string Name, string Content)>> ReadAsync(PoliciesOptions options, CancellationToken ct) => Folder(options).ReadAsync(ct);

    /// <inheritdoc cref="YamlFolder.Signature"/>
    public static string Signature(PoliciesOptions options) => Folder(options).Signature();

    private static YamlFolder Folder(PoliciesOptions options) => new(options.Directory, options.Include);
}
