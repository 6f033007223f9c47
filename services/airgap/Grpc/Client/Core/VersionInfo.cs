namespace Grpc.Core;

/// <summary>The version of the public packages whose API this is.</summary>
public static class VersionInfo
{
    public const string CurrentAssemblyVersion = "2.0.0.0";
    public const string CurrentAssemblyFileVersion = "2.83.0.0";
    public const string CurrentVersion = "2.83.0";
}
