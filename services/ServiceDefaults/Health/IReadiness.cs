namespace Vigil.ServiceDefaults;

/// <summary>
/// Whether the service can do its work. <c>/ready</c> answers 503 with the reasons until every blocker is disposed; grpc health
/// says NOT_SERVING meanwhile.
/// </summary>
public interface IReadiness
{
    /// <summary>Blocks readiness, for a reason that a person can act on, until the result is disposed.</summary>
    IDisposable Block(string reason);

    /// <summary>The reasons that hold now; empty when the service is ready.</summary>
    IReadOnlyList<string> Reasons { get; }
}
