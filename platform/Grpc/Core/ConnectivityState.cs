namespace Grpc.Core;

/// <summary>Whether a channel has a connection.</summary>
public enum ConnectivityState
{
    /// <summary>There is none, and none is wanted.</summary>
    Idle,

    /// <summary>One is being made.</summary>
    Connecting,

    /// <summary>There is at least one.</summary>
    Ready,

    /// <summary>The last attempt failed; another will follow.</summary>
    TransientFailure,

    /// <summary>The channel is closed.</summary>
    Shutdown,
}
