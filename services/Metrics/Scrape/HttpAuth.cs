using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>How to show who asks. At most one of user and bearer.</summary>
/// <param name="User">User of basic authentication, or null.</param>
/// <param name="Password">Its password, or null.</param>
/// <param name="PasswordFile">File that holds it, read with each request, or null.</param>
/// <param name="Scheme">First word of the header otherwise: Bearer.</param>
/// <param name="Credentials">What follows it, or null.</param>
/// <param name="CredentialsFile">File that holds it, read with each request, or null.</param>
internal sealed record HttpAuth(string? User, string? Password, string? PasswordFile, string Scheme, string? Credentials, string? CredentialsFile)
{
    /// <summary>Basic authentication, an authorization header, or Prometheus' older word for the latter.</summary>
    public static HttpAuth? Read(YamlMap entry, string folder)
    {
        var found = new List<(string Key, HttpAuth Auth)>();
        if (entry.Map("basic_auth") is { } basic)
        {
            var auth = new HttpAuth(basic.Required("username", "the user's name"), basic.Text("password"), ScrapeFile.PathOf(basic.Text("password_file"), folder), "Basic", null, null);
            if (auth.Password is not null && auth.PasswordFile is not null) basic.Error("password_file", "is given beside 'password': at most one of the two");
            basic.RefuseUnknown();
            found.Add(("basic_auth", auth));
        }
        if (entry.Map("authorization") is { } header)
        {
            var auth = new HttpAuth(null, null, null, header.Text("type") ?? "Bearer", header.Text("credentials"), ScrapeFile.PathOf(header.Text("credentials_file"), folder));
            if (auth.Scheme.Equals("basic", StringComparison.OrdinalIgnoreCase)) header.Error("type", "for basic authentication use 'basic_auth'");
            if (auth.Credentials is not null && auth.CredentialsFile is not null) header.Error("credentials_file", "is given beside 'credentials': at most one of the two");
            header.RefuseUnknown();
            found.Add(("authorization", auth));
        }
        if (entry.Text("bearer_token") is { } token) found.Add(("bearer_token", new HttpAuth(null, null, null, "Bearer", token, null)));
        if (entry.Text("bearer_token_file") is { } file) found.Add(("bearer_token_file", new HttpAuth(null, null, null, "Bearer", null, ScrapeFile.PathOf(file, folder))));
        if (found.Count > 1) entry.Error(found[1].Key, $"is given beside '{found[0].Key}': at most one of them");
        return found.Count == 0 ? null : found[0].Auth;
    }
}
