using Mesh.Contracts.Image.V1;

namespace Mesh.Gateway.Web;

/// <summary>A whole picture out of a call's events.</summary>
/// <param name="Index">Which image, from 0.</param>
/// <param name="Bytes">The file.</param>
/// <param name="MimeType">Such as image/png.</param>
/// <param name="Completed">What was said of the image at its end; null: this is a preview.</param>
internal sealed record Picture(int Index, byte[] Bytes, string MimeType, Completed? Completed);

/// <summary>An image will not come; the status says why.</summary>
internal sealed class ImageFailedException(Google.Rpc.Status status) : Exception(status.Message)
{
    public Google.Rpc.Status Status { get; } = status;
}

/// <summary>Puts the pieces that a Generate call's events carry together.</summary>
internal sealed class PictureAssembler
{
    private readonly Dictionary<(bool Preview, int Index), File> _files = [];
    private int _completed;

    /// <summary>The first event; null before it came.</summary>
    public Accepted? Accepted { get; private set; }

    /// <summary>Takes the next event.</summary>
    /// <returns>The picture that it completes; null where it completes none.</returns>
    /// <exception cref="ImageFailedException">An image, or the call, failed.</exception>
    public Picture? Take(GenerateResponse response)
    {
        switch (response.EventCase)
        {
            case GenerateResponse.EventOneofCase.Accepted:
                Accepted = response.Accepted;
                return null;
            case GenerateResponse.EventOneofCase.Preview:
                Add(true, response.Preview);
                return response.Preview.Last ? Finish(true, response.Preview.Index, null) : null;
            case GenerateResponse.EventOneofCase.Image:
                Add(false, response.Image);
                return null;
            case GenerateResponse.EventOneofCase.Completed:
                _completed++;
                return Finish(false, response.Completed.Index, response.Completed);
            case GenerateResponse.EventOneofCase.Failed:
                throw new ImageFailedException(response.Failed.Status);
            default:
                return null;
        }
    }

    /// <summary>Sees to it that every image came.</summary>
    public void End()
    {
        if (Accepted is null || _completed != Accepted.Seeds.Count)
            throw new InvalidOperationException($"A call ended after {_completed} of its {Accepted?.Seeds.Count} images.");
    }

    private void Add(bool preview, Chunk chunk)
    {
        if (!_files.TryGetValue((preview, chunk.Index), out var file)) _files.Add((preview, chunk.Index), file = new File(chunk.MimeType, new MemoryStream()));
        if (file.Bytes.Length != chunk.OffsetBytes) throw new InvalidOperationException($"A piece of image {chunk.Index} begins at {chunk.OffsetBytes}, not {file.Bytes.Length}.");
        file.Bytes.Write(chunk.Data.Span);
    }

    private Picture Finish(bool preview, int index, Completed? completed)
    {
        if (!_files.Remove((preview, index), out var file)) throw new InvalidOperationException($"Image {index} has no bytes.");
        return new Picture(index, file.Bytes.ToArray(), file.MimeType, completed);
    }

    private sealed record File(string MimeType, MemoryStream Bytes);
}
