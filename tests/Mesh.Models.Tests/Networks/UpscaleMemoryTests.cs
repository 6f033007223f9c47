using System.Globalization;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Tests.Networks;

/// <summary>
/// Memory of an enlargement follows the tile, not the picture. The network takes the published one's tiles, 64 to 256 px, but is narrow and shallow,
/// so that what it needs for one tile (some MB) hides nothing of what grows with the picture.
/// </summary>
[Collection(nameof(Alone))]
public sealed class UpscaleMemoryTests
{
    private const long MiB = 1 << 20;
    private const string Resets = "/proc/self/clear_refs";

    private const string NarrowJson = """
        {"style_network": {"dim_in": 8, "dim_out": 12, "depth": 2}, "dim": 2, "image_size": 256, "input_image_size": 64, "unconditional": true,
         "skip_connect_scale": 0.4, "up_dim_mults": [1, 2, 4], "down_dim_mults": [4], "full_attn": [false, false, false], "attn_depths": [0, 0, 0],
         "self_attn_dim_head": 4, "self_attn_heads": 2, "mid_attn_depth": 0}
        """;

    [Fact]
    public void Stream_512To2048Pixels_HoldsOneRowOfTilesAtMost()
    {
        if (!OperatingSystem.IsLinux()) return; // the peak is read as Linux counts it
        using var mode = inference_mode();
        using var scope = NewDisposeScope();
        using var net = new AuraSR(AuraSRConfig.FromJson(TinyNetworks.Json(NarrowJson)));
        using var picture = zeros([3, 512, 512], ScalarType.Byte);
        var upscaler = new AuraSRUpscaler(net);
        Run(upscaler, picture.narrow(1, 0, 64).narrow(2, 0, 128)); // what a first run sets up is not the picture's

        GC.Collect();
        var before = Reset();
        var area = Run(upscaler, picture);
        var grown = Peak() - before;

        // As float32 the result takes 48 MiB, and both passes with their weights some times that. Held are 9 lower halves of tiles of 384 KiB
        // and three whole ones: 6 MiB; the rest is the network's for one tile, and what allocators and the collector keep.
        area.ShouldBe(2048L * 2048);
        grown.ShouldBeLessThan(40 * MiB);
    }

    private static long Run(AuraSRUpscaler upscaler, Tensor picture)
    {
        var area = 0L;
        foreach (var part in upscaler.Stream(picture, new SeededUpscaleNoise(1), OverlapBlend.Checkerboard))
        {
            area += part.Pixels.shape[1] * part.Pixels.shape[2];
            part.Dispose();
        }

        return area;
    }

    private static long Reset()
    {
        File.WriteAllText(Resets, "5");
        return Peak();
    }

    /// <summary>Bytes of memory that this process held at most since the last reset.</summary>
    private static long Peak()
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}

/// <summary>Tests that nothing may run beside.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
