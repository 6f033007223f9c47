namespace Mesh.Hosting.Stages;

/// <summary>What a stage computes on, as it tells others.</summary>
/// <param name="Name">cpu or cuda:N.</param>
/// <param name="Kind">What equal bytes depend on, such as <c>cpu avx512</c> or <c>cuda sm_90</c>.</param>
/// <param name="Library">The tensor library's version.</param>
/// <param name="MemoryBytes">The device's own memory, or the machine's.</param>
public sealed record StageDevice(string Name, string Kind, string Library, long MemoryBytes)
{
    /// <summary>The mesh's build and the tensor library's version.</summary>
    public string Build => BuildInfo.With($"torch {Library}");
}
