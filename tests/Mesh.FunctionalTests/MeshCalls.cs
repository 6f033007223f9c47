using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Contracts.Image.V1;
using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>A picture as it came.</summary>
/// <param name="File">The file's bytes.</param>
/// <param name="Completed">Its last event.</param>
internal sealed record Picture(byte[] File, Completed Completed);

/// <summary>Calls to a mesh by its own contract, read to the end.</summary>
internal sealed class MeshCalls(string address) : IDisposable
{
    private readonly GrpcChannel _channel = GrpcChannel.ForAddress("http://" + address);

    public CallInvoker Invoker => _channel.CreateCallInvoker();

    public ImageService.ImageServiceClient Images => new(_channel);

    /// <summary>All images of a call, in their order; every one must come.</summary>
    public async Task<IReadOnlyList<Picture>> DrawAsync(GenerateRequest request, Action<GenerateResponse>? happened = null)
    {
        using var call = Images.Generate(request);
        var files = new SortedDictionary<int, MemoryStream>();
        var completed = new SortedDictionary<int, Completed>();
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            var item = call.ResponseStream.Current;
            happened?.Invoke(item);
            if (item.Failed is { } failed) throw new InvalidOperationException($"Image {failed.Index} failed: {failed.Status}");
            if (item.Completed is { } last) completed[last.Index] = last;
            if (item.Image is not { } chunk) continue;
            if (!files.TryGetValue(chunk.Index, out var file)) files[chunk.Index] = file = new();
            chunk.Data.WriteTo(file);
        }
        return [.. completed.Values.Select(x => new Picture(files[x.Index].ToArray(), x))];
    }

    /// <summary>The one image of a prompt and a seed.</summary>
    public async Task<Picture> DrawAsync(string prompt, ulong seed) => (await DrawAsync(new GenerateRequest { Prompt = prompt, Seeds = { seed } })).ShouldHaveSingleItem();

    public void Dispose() => _channel.Dispose();
}
