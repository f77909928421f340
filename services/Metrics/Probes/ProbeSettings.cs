using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Scrape;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Probes;

/// <summary>What a probe speaks.</summary>
internal enum ProbeKind
{
    /// <summary>HTTP, or HTTPS where the target says so.</summary>
    Http,

    /// <summary>A TCP connection.</summary>
    Tcp,

    /// <summary>gRPC's health service, <c>grpc.health.v1.Health/Check</c>.</summary>
    Grpc,

    /// <summary>A login to PostgreSQL and <c>SELECT 1</c>.</summary>
    Postgres,

    /// <summary>Opening an SQLite file and reading its schema.</summary>
    Sqlite,

    /// <summary>PING of Redis.</summary>
    Redis,
}

/// <summary>What an HTTP probe sends and takes; the keys are blackbox_exporter's.</summary>
internal sealed record HttpProbeSettings
{
    /// <summary>GET by default.</summary>
    public string Method { get; init; } = "GET";

    /// <summary>Sent with it.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>Sent with it; null for none.</summary>
    public string? Body { get; init; }

    /// <summary>Taken as success; 200 to 299 where empty.</summary>
    public IReadOnlyList<int> ValidStatusCodes { get; init; } = [];

    /// <summary>The body must match all of these somewhere.</summary>
    public IReadOnlyList<Re2> BodyMustMatch { get; init; } = [];

    /// <summary>The body must match none of these anywhere.</summary>
    public IReadOnlyList<Re2> BodyMustNotMatch { get; init; } = [];

    /// <summary>The answer must come over TLS.</summary>
    public bool FailIfNotTls { get; init; }

    /// <summary>Redirections are followed.</summary>
    public bool FollowRedirects { get; init; } = true;

    /// <summary>Who asks; null for nobody in particular.</summary>
    public HttpAuth? Auth { get; init; }
}

/// <summary>What the targets of a <c>probe_configs</c> entry are asked.</summary>
internal sealed record ProbeSettings
{
    /// <summary>What is spoken.</summary>
    public required ProbeKind Kind { get; init; }

    /// <summary>For <see cref="ProbeKind.Http"/>.</summary>
    public HttpProbeSettings Http { get; init; } = new();

    /// <summary>TLS around TCP and gRPC.</summary>
    public bool UseTls { get; init; }

    /// <summary>The service that gRPC's health is asked about; empty for the server as a whole.</summary>
    public string GrpcService { get; init; } = "";

    /// <summary>User of a database.</summary>
    public string? User { get; init; }

    /// <summary>Its password, or null.</summary>
    public string? Password { get; init; }

    /// <summary>File that holds it, read with each probe, or null.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>PostgreSQL's database; "postgres" by default.</summary>
    public string Database { get; init; } = "postgres";

    /// <summary>Reads the keys of an entry that are a probe's own.</summary>
    public static ProbeSettings Read(YamlMap entry, string folder)
    {
        var word = entry.Required("prober", "http, tcp, grpc, postgres, sqlite or redis");
        if (!Enum.TryParse<ProbeKind>(word, ignoreCase: true, out var kind) || char.IsAsciiDigit(word[0]))
        {
            if (word.Length > 0) entry.Error("prober", $"'{word}' is none of http, tcp, grpc, postgres, sqlite, redis");
            kind = ProbeKind.Http;
        }
        var settings = new ProbeSettings { Kind = kind };
        foreach (var key in (string[])["http", "tcp", "grpc", "postgres", "redis"])
        {
            if (!entry.Has(key)) continue;
            if (key == word) settings = ReadOwn(entry.Map(key), settings, folder);
            else if (entry.Touch(key)) entry.Error(key, $"has no effect with 'prober: {word}'");
        }
        return settings;
    }

    private static ProbeSettings ReadOwn(YamlMap? map, ProbeSettings settings, string folder)
    {
        if (map is null) return settings;
        settings = settings.Kind switch
        {
            ProbeKind.Http => settings with { Http = ReadHttp(map, folder) },
            ProbeKind.Tcp => settings with { UseTls = map.Flag("tls") ?? false },
            ProbeKind.Grpc => settings with { UseTls = map.Flag("tls") ?? false, GrpcService = map.Text("service") ?? "" },
            ProbeKind.Postgres => ReadLogin(map, settings, folder) with { Database = map.Text("database") ?? "postgres" },
            _ => ReadLogin(map, settings, folder),
        };
        map.RefuseUnknown();
        return settings;
    }

    private static ProbeSettings ReadLogin(YamlMap map, ProbeSettings settings, string folder)
    {
        settings = settings with { User = map.Text("username"), Password = map.Text("password"), PasswordFile = ScrapeFile.PathOf(map.Text("password_file"), folder) };
        if (settings.Password is not null && settings.PasswordFile is not null) map.Error("password_file", "is given beside 'password': at most one of the two");
        return settings;
    }

    private static HttpProbeSettings ReadHttp(YamlMap map, string folder)
    {
        var codes = new List<int>();
        foreach (var word in map.Words("valid_status_codes") ?? [])
        {
            if (int.TryParse(word, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var code) && code is >= 100 and <= 599) codes.Add(code);
            else map.Error("valid_status_codes", $"'{word}' must be a status from 100 to 599");
        }
        var method = map.Text("method") ?? "GET";
        if (method.Length == 0 || !method.All(char.IsAsciiLetterUpper)) map.Error("method", $"'{method}' is no method such as GET or HEAD");
        return new HttpProbeSettings
        {
            Method = method,
            Headers = map.Texts("headers"),
            Body = map.Text("body"),
            ValidStatusCodes = codes,
            BodyMustMatch = Patterns(map, "fail_if_body_not_matches_regexp"),
            BodyMustNotMatch = Patterns(map, "fail_if_body_matches_regexp"),
            FailIfNotTls = map.Flag("fail_if_not_ssl") ?? false,
            FollowRedirects = map.Flag("follow_redirects") ?? true,
            Auth = HttpAuth.Read(map, folder),
        };
    }

    private static List<Re2> Patterns(YamlMap map, string key)
    {
        var patterns = new List<Re2>();
        foreach (var word in map.Words(key) ?? [])
        {
            try
            {
                // By itself first: with a group around it "a)(b" would be taken.
                Re2.Compile(word);
                // Found anywhere, where label matchers take the whole.
                patterns.Add(Re2.Compile($".*(?:{word}).*"));
            }
            catch (FormatException e)
            {
                map.Error(key, e.Message);
            }
        }
        return patterns;
    }
}
