using System.CommandLine;
using Vigil.Client;

namespace Vigil.Cli;

/// <summary>The options that every command takes: where Vigil is, with which token, and in which form to answer.</summary>
internal sealed class ConnectionOptions
{
    public Option<Uri?> Metrics { get; } = Address("--metrics", "Metrics' gRPC endpoint, e.g. http://127.0.0.1:4317.");

    public Option<Uri?> Alerting { get; } = Address("--alerting", "Alerting's gRPC endpoint, e.g. http://127.0.0.1:6102.");

    public Option<string?> Token { get; } = new("--token") { Description = "The bearer token. Better: VIGIL_TOKEN, or `vigil config set --token`.", Recursive = true };

    public Option<bool> Json { get; } = Flag.Create("--json", "Answer in JSON: one object, or one per line where the answer goes on.");

    public void AddTo(Command root)
    {
        root.Options.Add(Metrics);
        root.Options.Add(Alerting);
        root.Options.Add(Token);
        Json.Recursive = true;
        root.Options.Add(Json);
    }

    /// <summary>What holds for this call; <paramref name="scope"/> picks the token out of AppHost's file where nothing else names one.</summary>
    public Connection Resolve(ParseResult parsed, string scope)
    {
        var saved = SavedConfig.Load();
        return new Connection(
            parsed.GetValue(Metrics) ?? FromEnvironment("VIGIL_METRICS") ?? saved.Metrics ?? new Uri("http://127.0.0.1:4317"),
            parsed.GetValue(Alerting) ?? FromEnvironment("VIGIL_ALERTING") ?? saved.Alerting ?? new Uri("http://127.0.0.1:6102"),
            Sendable(parsed.GetValue(Token) ?? NotEmpty(Environment.GetEnvironmentVariable("VIGIL_TOKEN")) ?? saved.Token ?? LocalTokens.Find(scope)),
            parsed.GetValue(Json));
    }

    internal static string? NotEmpty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    /// <summary>A header carries visible ASCII only; the token itself is not shown.</summary>
    private static string? Sendable(string? token) => token is null || token.All(c => c is > ' ' and <= '~') ? token
        : throw new CliException(ExitCode.Usage, "the token has a space, a line break or another character that no token has: was more copied than the token?");

    private static Uri? FromEnvironment(string name) => NotEmpty(Environment.GetEnvironmentVariable(name)) is { } text
        ? TryAddress(text) ?? throw new CliException(ExitCode.Usage, $"{name}: '{text}' is not an http:// or https:// address")
        : null;

    private static Option<Uri?> Address(string name, string description) => new(name)
    {
        Description = description,
        Recursive = true,
        CustomParser = result =>
        {
            var address = TryAddress(result.Tokens[0].Value);
            if (address is null) result.AddError($"{name}: '{result.Tokens[0].Value}' is not an http:// or https:// address");
            return address;
        },
    };

    internal static Uri? TryAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;
}

/// <summary>Where to call, as whom, and how to print.</summary>
internal sealed record Connection(Uri Metrics, Uri Alerting, string? Token, bool Json)
{
    public VigilClient Open() => new(new VigilClientOptions { MetricsAddress = Metrics, AlertingAddress = Alerting, Token = Token });
}
