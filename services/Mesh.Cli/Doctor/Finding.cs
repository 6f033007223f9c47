namespace Mesh.Cli.Doctor;

internal enum Verdict
{
    /// <summary>There, and works.</summary>
    Good,

    /// <summary>Mesh runs without it, with less.</summary>
    Optional,

    /// <summary>Mesh does not run without it.</summary>
    Needed,
}

/// <summary>One thing that a machine has or lacks, and what to do where it lacks it.</summary>
internal sealed record Finding(string What, Verdict Verdict, string Found, string Advice = "");
