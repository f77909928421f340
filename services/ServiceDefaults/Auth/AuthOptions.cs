namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Auth</c>: which tokens this service accepts, and which it presents.</summary>
public sealed class AuthOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Auth";

    /// <summary>
    /// Lower-case hex SHA-256 of the accepted tokens, by scope: <c>Auth:TokenHashes:read:0</c>. A name may stand before the hash, as
    /// in <c>grafana=9f86d0...</c>: the audit log then names it.
    /// </summary>
    public Dictionary<string, List<string>> TokenHashes { get; set; } = [];

    /// <summary>The token that this service presents to other services.</summary>
    public string? Token { get; set; }

    /// <summary>The token with which this service sends its own metrics to Metrics; <see cref="Token"/> when not set.</summary>
    public string? IngestToken { get; set; }

    /// <summary>
    /// Callers on this machine may read without a token. For local work only: behind a proxy on the same machine every caller
    /// looks local, so requests with proxy headers are not let through.
    /// </summary>
    public bool AllowLoopbackRead { get; set; }

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (TokenHashes.Values.All(h => h.All(string.IsNullOrWhiteSpace)))
        {
            yield return new(nameof(TokenHashes), null,
                "at least one hash, or nobody could call this service. Start it through the AppHost, which makes tokens, or make one: " +
                "TOKEN=$(openssl rand -hex 32); Auth__TokenHashes__admin__0=$(printf %s $TOKEN | sha256sum | cut -d' ' -f1)");
        }
        foreach (var (scope, hashes) in TokenHashes)
        {
            if (!Enum.TryParse<Scope>(scope, ignoreCase: true, out _) || char.IsAsciiDigit(scope[0]))
                yield return new($"{nameof(TokenHashes)}.{scope}", scope, "ingest, read, operate or admin as the scope");
            for (var i = 0; i < hashes.Count; i++)
            {
                // Unset by an empty variable.
                if (string.IsNullOrWhiteSpace(hashes[i])) continue;
                // The value is not shown: somebody may have put the token itself there.
                if (!TokenTable.TryReadHash(hashes[i], out _, out _))
                    yield return new($"{nameof(TokenHashes)}.{scope}.{i}", $"{hashes[i].Length} characters", "64 hex digits, the SHA-256 of a token, with an optional name and = before them");
            }
        }
    }
}
