using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;

namespace Vigil.ServiceDefaults;

internal sealed class ServiceDirectory(IConfiguration configuration) : IServiceDirectory
{
    public Uri Find(string service, string endpoint) =>
        Lookup(service, endpoint) ?? throw new InvalidOperationException(
            $"the address of {service} is not configured: set {Key(service, endpoint)} to its URL, e.g. http://127.0.0.1:4317 (environment variable {Key(service, endpoint).Replace(":", "__")}). The AppHost sets it by itself.");

    public bool TryFind(string service, string endpoint, [MaybeNullWhen(false)] out Uri address)
    {
        address = Lookup(service, endpoint);
        return address is not null;
    }

    private Uri? Lookup(string service, string endpoint)
    {
        var key = Key(service, endpoint);
        if (configuration[key] is not { Length: > 0 } text) return null;
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new InvalidOperationException(OptionBinding.Message(key, text, "an http:// or https:// URL"));
    }

    private static string Key(string service, string endpoint) => $"services:{service}:{endpoint}:0";
}
