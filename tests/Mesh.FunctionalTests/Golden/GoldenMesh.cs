using Mesh.Hosting.Stages;
using Mesh.Models.Networks;
using Mesh.Testing;
using static TorchSharp.torch;
using Tensor = Mesh.Contracts.Common.V1.Tensor;

namespace Mesh.FunctionalTests.Golden;

/// <summary>A mesh that serves the golden data's networks, whose generator can be given the golden data's noise.</summary>
public sealed class GoldenMesh : IAsyncLifetime
{
    public const string Controlled = "controlled";

    /// <summary>Cases of <c>pipelines</c>, each a model of its name.</summary>
    private static readonly string[] Pipelines = ["rf_4steps", "sd15_ddim_10", "sd15_dpm_25", "sdxl_turbo_1step", "sdxl_euler_8"];

    private RunningMesh? _mesh;

    public GeneratorRelay Relay { get; } = new();

    public MeshFront Front => _mesh!.Front;

    public async Task InitializeAsync()
    {
        var upscaling = GoldenTensors.Read("aurasr", "image");
        _mesh = await RunningMesh.StartAsync(new MeshLayout
        {
            Settings =
            [
                .. Pipelines.Select(x => ($"Mesh:Models:{x}:Folder", (string?)TinyModels.Pipeline(x))),
                ("Mesh:Models:sdxl_euler_8:Recipe", "euler"),
                .. TinyModels.FlowSettings,
                ($"Mesh:Models:{Controlled}:Folder", TinyModels.FlowAround("controlnet", "sd15_tiny")),
                ($"Mesh:Controls:{TinyModels.Edges}:Models:0", Controlled),
                ("Mesh:Upsamplers:golden:Folder", TinyModels.Upsampler("image")),
            ],
            Relay = Relay,
            UpscaleNoise = _ => new GivenNoise(upscaling.Floats("in.z1"), upscaling.Floats("in.z2")),
        });
    }

    public async Task DisposeAsync()
    {
        if (_mesh is not null) await _mesh.DisposeAsync();
    }

    /// <summary>One row of a golden tensor, as a message carries it.</summary>
    internal static Tensor Row(GoldenTensors golden, string name, int row) => WireTensors.OfFloats(RowOf(golden, name, row), golden.ShapeOf(name).AsSpan(1));

    internal static float[] RowOf(GoldenTensors golden, string name, int row)
    {
        var values = golden.Floats(name);
        var size = values.Length / (int)golden.ShapeOf(name)[0];
        return values[(row * size)..((row + 1) * size)];
    }

    /// <summary>Style vectors of a golden case: a row a tile, the second pass's after the first's.</summary>
    private sealed class GivenNoise(params float[][] passes) : IUpscaleNoise
    {
        private readonly float[] _rows = [.. passes.SelectMany(x => x)];

        public TorchSharp.torch.Tensor Style(int tile, int width) => tensor(_rows.AsSpan(tile * width, width).ToArray(), [1, width]);

        public TorchSharp.torch.Tensor? Image(int tile, long[] shape) => null;
    }
}
