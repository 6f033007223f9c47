using Google.Protobuf;
using Mesh.Contracts.Common.V1;
using Mesh.Gateway.Catalogue;
using Mesh.Gateway.Stages;
using Wire = Mesh.Contracts.Image.V1;
using Work = Mesh.Contracts.Upsampler.V1;

namespace Mesh.Gateway.Images;

/// <summary>What an enlarged picture came to.</summary>
/// <param name="Image">Null where only its tiles were wanted.</param>
/// <param name="Timings">Of the upsampler.</param>
/// <param name="Kind">What it ran on.</param>
internal sealed record Enlarged(Imaging.Image? Image, Timings? Timings, ComputeKind Kind);

/// <summary>Sends pictures through the upsampler and passes its tiles on as they come, cut to pieces that fit an event.</summary>
internal sealed class Enlarger(MeshStages stages)
{
    /// <param name="image">What to enlarge.</param>
    /// <param name="plan">How.</param>
    /// <param name="seed">Of the upsampler's noise.</param>
    /// <param name="index">Which image of the call.</param>
    /// <param name="whole">Whether to put the tiles together.</param>
    /// <param name="emit">Takes each piece.</param>
    /// <param name="deadline">When the picture is of no use any more.</param>
    /// <param name="cancel">Stops the work.</param>
    public async Task<Enlarged> RunAsync(
        Imaging.Image image, UpscalePlan plan, ulong seed, int index, bool whole, Func<Wire.Tile, ValueTask> emit, DateTimeOffset? deadline, CancellationToken cancel)
    {
        var work = new Work.UpscaleRequest { Model = plan.Model.Ref, Pixels = Pixels.ToRows(image), Seed = seed, Overlapped = plan.Overlapped };
        var (width, height) = (image.Width * plan.Scale, image.Height * plan.Scale);
        Imaging.Image? canvas = null;
        // A second try begins at the first tile again; what was sent is not sent twice.
        var sent = new HashSet<(int X, int Y)>();
        var missing = (long)width * height;
        await foreach (var answer in stages.Upsampler.StreamAsync(work, plan.Model.Ref, deadline, cancel).ConfigureAwait(false))
        {
            if (answer.Value.OutcomeCase == Work.UpscaleResponse.OutcomeOneofCase.Done)
            {
                if (missing != 0) throw new InvalidDataException($"the upsampler's tiles do not cover the picture: {missing} pixels are missing");
                return new(canvas, answer.Value.Timings, ComputeKind.Of(answer.Replica.Info!, plan.Model.Ref.Id));
            }
            var tile = answer.Value.Tile ?? throw new InvalidDataException("the upsampler answered neither with a tile nor with an end");
            var part = Pixels.ToImage(tile.Pixels);
            if (tile.XPx < 0 || tile.YPx < 0 || tile.XPx + part.Width > width || tile.YPx + part.Height > height)
                throw new InvalidDataException($"the upsampler sent a tile of {part.Width}x{part.Height} at {tile.XPx}, {tile.YPx} of a picture of {width}x{height}");
            if (!sent.Add((tile.XPx, tile.YPx))) continue;
            missing -= (long)part.Width * part.Height;
            if (whole)
            {
                canvas ??= new(width, height, new byte[width * height * Imaging.Image.Channels]);
                canvas.Paste(part, tile.XPx, tile.YPx);
            }
            foreach (var piece in Cut(part, tile.XPx, tile.YPx, index)) await emit(piece).ConfigureAwait(false);
        }
        throw new InvalidDataException("the upsampler's answers ended before its picture did");
    }

    /// <summary>Whole rows, as many as an event holds; part of a row where one is too long.</summary>
    private static IEnumerable<Wire.Tile> Cut(Imaging.Image part, int x, int y, int index)
    {
        const int most = FileEncoder.ChunkBytes / Imaging.Image.Channels;
        var columns = Math.Min(part.Width, most);
        var rows = Math.Max(1, most / columns);
        for (var top = 0; top < part.Height; top += rows)
        {
            for (var left = 0; left < part.Width; left += columns)
            {
                var (width, height) = (Math.Min(columns, part.Width - left), Math.Min(rows, part.Height - top));
                yield return new()
                {
                    Index = index,
                    XPx = x + left,
                    YPx = y + top,
                    WidthPx = width,
                    HeightPx = height,
                    Rgb = Bytes(part, left, top, width, height),
                };
            }
        }
    }

    private static ByteString Bytes(Imaging.Image part, int left, int top, int width, int height) => width == part.Width
        ? UnsafeByteOperations.UnsafeWrap(part.Pixels.AsMemory(top * width * Imaging.Image.Channels, height * width * Imaging.Image.Channels))
        : UnsafeByteOperations.UnsafeWrap(part.Crop(left, top, width, height).Pixels);
}
