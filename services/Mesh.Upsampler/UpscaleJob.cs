using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Upsampler;

/// <summary>
/// A picture between two tiles. The device's thread moves it on while whoever asked may give up at any time: what it holds goes when both have let
/// it go.
/// </summary>
internal sealed class UpscaleJob : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Tensor _picture;
    private readonly UpscaleRun _run;
    private bool _running;
    private bool _ended;

    /// <param name="config">Of the network that will enlarge.</param>
    /// <param name="pixels">[height, width, 3].</param>
    /// <param name="height">Of the picture.</param>
    /// <param name="width">Of the picture.</param>
    /// <param name="noise">Its random numbers.</param>
    /// <param name="overlapped">Whether two passes are blended.</param>
    public UpscaleJob(AuraSRConfig config, byte[] pixels, int height, int width, IUpscaleNoise noise, bool overlapped)
    {
        using (var rows = tensor(pixels, [height, width, 3]))
            _picture = rows.permute(2, 0, 1).contiguous().DetachFromDisposeScope(); // [3, height, width]
        _run = new UpscaleRun(config, _picture, noise, overlapped ? OverlapBlend.Checkerboard : null);
        (Height, Width) = (_run.Height, _run.Width);
    }

    /// <summary>Height of the enlarged picture.</summary>
    public int Height { get; }

    /// <summary>Width of the enlarged picture.</summary>
    public int Width { get; }

    /// <summary>How often the network has still to run.</summary>
    public int TilesLeft => _run.Tiles - _run.TilesDone;

    /// <summary>Runs the network once. Called on the device's thread.</summary>
    /// <returns>The part that this finishes; null where it finishes none, or nobody wants the picture any more.</returns>
    public FinishedTile? Step(AuraSRUpscaler upscaler)
    {
        lock (_gate)
        {
            if (_ended) return null;
            _running = true;
        }
        try
        {
            using var scope = NewDisposeScope();
            foreach (var part in upscaler.Step(_run)) // a tile finishes one part at most
            {
                using var bytes = AuraSRUpscaler.ToBytes(part.Pixels).cpu();
                return new FinishedTile(part.X, part.Y, (int)bytes.shape[0], (int)bytes.shape[1], bytes.data<byte>().ToArray());
            }
            return null;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Nobody wants it any more. A tile that is under way is still finished, and the memory goes then.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_ended) return;
            _ended = true;
            if (_running) return;
        }
        Free();
    }

    private void Leave()
    {
        lock (_gate)
        {
            _running = false;
            if (!_ended && !_run.IsFinished) return;
            _ended = true;
        }
        Free();
    }

    private void Free()
    {
        _run.Dispose();
        _picture.Dispose();
    }
}
