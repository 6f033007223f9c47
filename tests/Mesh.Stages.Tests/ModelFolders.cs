using Mesh.Testing;

namespace Mesh.Stages.Tests;

/// <summary>The golden data's models as folders, written once for all tests that serve them.</summary>
public sealed class ModelFolders : IDisposable
{
    private readonly TempFolder _root = new();
    private readonly Lock _gate = new();

    /// <summary>The folder of a case of <c>pipelines</c>.</summary>
    public string Pipeline(string golden) => Once(golden, x => ProceduralModels.WritePipeline(x, golden));

    /// <summary>The folder of a model around the U-Net of a case of <c>controlnet</c> or <c>lora</c>.</summary>
    public string FlowAround(string group, string golden) => Once($"{group}-{golden}", x => ProceduralModels.WriteFlowAround(x, group, golden));

    public string ControlNet(string golden) => Once("control-" + golden, x => ProceduralModels.WriteControlNet(x, golden));

    public string TinyDecoder() => Once("taesd", x => ProceduralModels.WriteTinyDecoder(x));

    public void Dispose() => _root.Dispose();

    private string Once(string name, Func<string, string> write)
    {
        lock (_gate)
        {
            var folder = _root.File(name);
            return Directory.Exists(folder) ? folder : write(folder);
        }
    }
}

/// <summary>Tests that share <see cref="ModelFolders"/>.</summary>
[CollectionDefinition(Name)]
public sealed class ModelFoldersTests : ICollectionFixture<ModelFolders>
{
    public const string Name = "model folders";
}
