using System.Globalization;
using Mesh.Contracts.Upsampler.V1;
using Mesh.Testing;
using Mesh.Upsampler;

namespace Mesh.Stages.Tests;

/// <summary>
/// What the upsampler needs besides its weights follows the tile and the picture's width, not its area. The network takes the published one's tiles,
/// 64 to 256 px, but is narrow and shallow, so that what it needs itself hides nothing of what grows with the picture.
/// </summary>
[Collection(nameof(Alone))]
public sealed class UpsamplerMemoryTests
{
    private const long MiB = 1 << 20;
    private const int Side = 1024;

    private const string NarrowJson = """
        {"style_network": {"dim_in": 8, "dim_out": 12, "depth": 2}, "dim": 2, "image_size": 256, "input_image_size": 64, "unconditional": true,
         "skip_connect_scale": 0.4, "up_dim_mults": [1, 2, 4], "down_dim_mults": [4], "full_attn": [false, false, false], "attn_depths": [0, 0, 0],
         "self_attn_dim_head": 4, "self_attn_heads": 2, "mid_attn_depth": 0}
        """;

    [Fact]
    public async Task Upscale_1024To4096Pixels_StaysWithin96MiB()
    {
        if (!OperatingSystem.IsLinux()) return; // the peak is read as Linux counts it
        using var folder = new TempFolder();
        UpsamplerFolder.Write(folder.Path, NarrowJson).Dispose();
        await using var stage = await StageProcess.StartAsync(UpsamplerApp.Create, ("Mesh:Upsamplers:narrow:Folder", folder.Path));
        using var call = new WorkCall<UpscaleRequest, UpscaleResponse>(new UpsamplerService.UpsamplerServiceClient(stage.Channel).Upscale());
        await RunAsync(call, UpsamplerPicture.Request(1, 64, 128, overlapped: true)); // what a first picture sets up is not the next one's
        var request = UpsamplerPicture.Request(2, Side, Side, overlapped: true);

        GC.Collect();
        var before = Reset();
        var area = await RunAsync(call, request);
        var grown = Peak() - before;

        // The enlarged picture takes 48 MiB as bytes and 192 as float32, which is how passes are blended: whole, both and their weights take 768.
        // Held are some copies of the request (3 MiB), 17 lower halves of tiles of 384 KiB and three whole ones (9 MiB), and a tile that is being
        // sent; the rest is the network's for one tile, and what allocators and the collector keep of what has left. Client and service are one process.
        area.ShouldBe(16L * Side * Side);
        grown.ShouldBeLessThan(96 * MiB);
    }

    private static async Task<long> RunAsync(WorkCall<UpscaleRequest, UpscaleResponse> call, UpscaleRequest request)
    {
        await call.SendAsync(request);
        var area = 0L;
        for (var tiles = 1; await call.NextAsync() is { OutcomeCase: UpscaleResponse.OutcomeOneofCase.Tile } answer; tiles++)
        {
            area += answer.Tile.Pixels.Shape[0] * answer.Tile.Pixels.Shape[1];
            if (tiles % 8 == 0) GC.Collect(); // messages that have been sent and read are not what is asked for
        }
        return area;
    }

    private static long Reset()
    {
        File.WriteAllText("/proc/self/clear_refs", "5");
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
