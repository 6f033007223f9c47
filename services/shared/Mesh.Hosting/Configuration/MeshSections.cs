namespace Mesh.Hosting.Configuration;

/// <summary>The keys under <c>Mesh</c> that some service of the mesh reads: one file may configure them all, and a name that is none of these is a fault everywhere.</summary>
public static class MeshSections
{
    /// <summary>The section that holds the rest.</summary>
    public const string Root = "Mesh";

    /// <summary>Those of the whole mesh.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "Listen", "Tls", "Peer", "Device", "Models", "Loras", "Controls", "Upsamplers", "DefaultModel", "DefaultUpsampler", "ModelMemory",
        "Batching", "Drain", "Telemetry", "Stages", "Redis", "Gateway", "Keys", "Limits", "Web", "Studio", "Trainer",
    ];
}
