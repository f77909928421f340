using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace Vigil.AppHost;

internal static class LocalProfile
{
    /// <summary>
    /// What every service is told when all runs on one machine: which tokens to accept, which to present (read for what it asks of others, ingest for its
    /// own metrics), where its files are, and that callers on this machine may read without a token.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithLocalProfile(this IResourceBuilder<ProjectResource> service, Tokens tokens, string data)
    {
        foreach (var scope in Tokens.Scopes) service.WithEnvironment($"Auth__TokenHashes__{scope}__0", tokens.HashOf(scope));
        return service
            .WithEnvironment("Auth__Token", tokens["read"])
            .WithEnvironment("Auth__IngestToken", tokens["ingest"])
            .WithEnvironment("Auth__AllowLoopbackRead", "true")
            .WithEnvironment("Storage__Directory", Path.Combine(data, service.Resource.Name));
    }
}
