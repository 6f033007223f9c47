using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Imaging;
using ImageFormat = Mesh.Imaging.ImageFormat;

namespace Mesh.FunctionalTests.Requests;

/// <summary>A mesh with everything that a request can name, for the tests that only ask it.</summary>
public sealed class FlowMesh : IAsyncLifetime
{
    /// <summary>A second model.</summary>
    public const string Other = "other";

    private RunningMesh? _mesh;

    public RunningMesh Mesh => _mesh!;

    public MeshFront Front => Mesh.Front;

    public ImageService.ImageServiceClient Images => Front.Images;

    public async Task InitializeAsync() => _mesh = await RunningMesh.StartAsync(new MeshLayout
    {
        Settings = [.. TinyModels.FlowSettings, .. TinyModels.UpsamplerSettings, ($"Mesh:Models:{Other}:Folder", TinyModels.Pipeline("instaflow_1step"))],
    });

    public async Task DisposeAsync()
    {
        if (_mesh is not null) await _mesh.DisposeAsync();
    }

    /// <summary>One step, 64 px, and nothing else.</summary>
    internal static GenerateRequest Plain(string prompt = "a red apple") => new() { Prompt = prompt, Seeds = { 7 }, WidthPx = 64, HeightPx = 64 };

    /// <summary>Hundreds of milliseconds at least on any machine: many steps of a larger picture.</summary>
    internal static GenerateRequest Slow(string prompt = "a red apple") => new() { Prompt = prompt, Seeds = { 7 }, WidthPx = 256, HeightPx = 256, Steps = 100 };

    /// <summary>Two steps with guidance, a LoRA and a control image.</summary>
    internal static GenerateRequest Full() => new()
    {
        Prompt = "a red apple",
        NegativePrompt = "blurry",
        Guidance = 2,
        Steps = 2,
        Seeds = { 7 },
        WidthPx = 64,
        HeightPx = 64,
        Loras = { new Lora { Name = TinyModels.Style, Weight = 0.5f } },
        Control = new() { Image = Picture(64, 8), Scale = 0.8f },
    };

    /// <summary>A chessboard as a PNG.</summary>
    internal static ByteString Picture(int side, int square)
    {
        var pixels = new byte[side * side * Image.Channels];
        for (var i = 0; i < side * side; i++)
        {
            var value = (byte)(((i % side / square) + (i / side / square)) % 2 == 0 ? 30 : 220);
            pixels.AsSpan(i * Image.Channels, Image.Channels).Fill(value);
        }
        return ByteString.CopyFrom(ImageCodec.Encode(new Image(side, side, pixels), ImageFormat.Png));
    }
}

/// <summary>Tests that share a <see cref="FlowMesh"/>, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class FlowMeshTests : ICollectionFixture<FlowMesh>
{
    public const string Name = "flow mesh";
}
