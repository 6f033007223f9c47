namespace Mesh.Cli.Verify;

/// <summary>Computes the cases of one folder of golden data and compares them with what stands there.</summary>
/// <remarks>
/// A group knows a case by its fields, never by its file name or its variant. It names every field that it understands with
/// <see cref="GoldenCase.Knows"/> and compares every <c>out.</c> tensor; the runner fails a case with a field or an output left over.
/// </remarks>
public interface IGoldenGroup
{
    /// <summary>The folder's name.</summary>
    string Name { get; }

    /// <summary>Whether the group can be computed in bfloat16.</summary>
    bool ComputesInBFloat16 => false;

    /// <summary>Whether the file only holds what other cases refer to (a vocabulary, a list of networks), so that there is nothing to compute.</summary>
    bool IsData(GoldenCase golden) => false;

    /// <summary>Computes the case; one check for each thing compared.</summary>
    /// <exception cref="FormatException">The case has a form that the group does not know.</exception>
    IEnumerable<Check> Run(GoldenCase golden);
}
