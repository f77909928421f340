namespace Grpc.Core;

/// <summary>The version of the API that this library follows.</summary>
public static class VersionInfo
{
    /// <summary>The assembly version of the API.</summary>
    public const string CurrentAssemblyVersion = "2.0.0.0";

    /// <summary>The file version of the API.</summary>
    public const string CurrentAssemblyFileVersion = "2.80.0.0";

    /// <summary>The version of the API.</summary>
    public const string CurrentVersion = "2.80.0";
}
