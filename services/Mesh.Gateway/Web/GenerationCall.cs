using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Web;

/// <summary>A body of POST /v1/images/generations, read.</summary>
/// <param name="Request">What the mesh is asked.</param>
/// <param name="Stream">Answer with events.</param>
/// <param name="OutputFormat">png, jpeg or webp.</param>
internal sealed record GenerationCall(GenerateRequest Request, bool Stream, string OutputFormat);
