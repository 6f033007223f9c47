namespace Mesh.Cli;

/// <summary>What the program returns to the shell.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The command ran and failed; standard error says why.</summary>
    public const int Failed = 1;

    /// <summary>The command line itself was wrong; nothing ran.</summary>
    public const int Usage = 2;

    /// <summary>A bug of ours.</summary>
    public const int Internal = 70;

    /// <summary>Stopped by Ctrl-C or a passed limit.</summary>
    public const int Cancelled = 130;
}
