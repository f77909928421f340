using System.Diagnostics.CodeAnalysis;

namespace Vigil.ServiceDefaults;

/// <summary>Where the other services are, by the keys <c>services:&lt;name&gt;:&lt;endpoint&gt;:0</c>.</summary>
public interface IServiceDirectory
{
    /// <summary>The address of a service's endpoint.</summary>
    /// <param name="service">E.g. <c>metrics</c>.</param>
    /// <param name="endpoint"><c>grpc</c> or <c>http</c>.</param>
    /// <exception cref="InvalidOperationException">Not configured, or no URL; the message names the key.</exception>
    Uri Find(string service, string endpoint);

    /// <summary>As <see cref="Find"/>, but false where the key is not set. A value that is no URL still throws.</summary>
    bool TryFind(string service, string endpoint, [MaybeNullWhen(false)] out Uri address);
}
