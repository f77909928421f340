namespace Grpc.Net.Client.Internal;

/// <summary>What a channel knows of a method, worked out at its first call: where it is, and how it is retried.</summary>
internal sealed record MethodTarget(Uri Address, string FullName, RetryPlan? Retry);
