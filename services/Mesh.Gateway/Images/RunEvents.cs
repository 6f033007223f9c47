using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Images;

/// <summary>The events of one run, timed as they happen; each reader numbers them for itself.</summary>
internal sealed class RunEvents(long keepBytes, TimeProvider time)
{
    // What is around the bytes of an event in memory, about.
    private const int Overhead = 256;
    private const long Ahead = 4L << 20;

    private readonly long _start = time.GetTimestamp();

    public EventLog<GenerateResponse> Log { get; } = new(keepBytes, Ahead, BytesOf);

    public ValueTask AddAsync(GenerateResponse item, CancellationToken cancel)
    {
        item.ElapsedUs = (long)time.GetElapsedTime(_start).TotalMicroseconds;
        return Log.AddAsync(item, cancel);
    }

    private static int BytesOf(GenerateResponse item) => Overhead + item.EventCase switch
    {
        GenerateResponse.EventOneofCase.Image => item.Image.Data.Length,
        GenerateResponse.EventOneofCase.Preview => item.Preview.Data.Length,
        GenerateResponse.EventOneofCase.Tile => item.Tile.Rgb.Length,
        _ => 0,
    };
}
