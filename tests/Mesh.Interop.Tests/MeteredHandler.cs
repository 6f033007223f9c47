using System.Net;
using Mesh.Testing;

namespace Mesh.Interop.Tests;

/// <summary>Counts the bytes of bodies as they stand on the wire, and keeps the encodings that the headers name.</summary>
/// <param name="inner">The handler that sends.</param>
internal sealed class MeteredHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private MeteredContent? _request;
    private CountingStream? _response;

    /// <summary>Bytes of the last request's body.</summary>
    public long RequestBytes => _request?.Bytes ?? 0;

    /// <summary>Bytes of the last response's body that were read.</summary>
    public long ResponseBytes => _response?.BytesRead ?? 0;

    /// <summary>The header grpc-encoding of the last request.</summary>
    public string? RequestEncoding { get; private set; }

    /// <summary>The header grpc-encoding of the last response.</summary>
    public string? ResponseEncoding { get; private set; }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        RequestEncoding = Encoding(request.Headers);
        request.Content = _request = new MeteredContent(request.Content!);
        var response = await base.SendAsync(request, cancellationToken);
        ResponseEncoding = Encoding(response.Headers);
        _response = new CountingStream(await response.Content.ReadAsStreamAsync(cancellationToken));
        var content = new StreamContent(_response);
        foreach (var header in response.Content.Headers)
            content.Headers.TryAddWithoutValidation(header.Key, header.Value);
        response.Content = content;
        return response;
    }

    private static string? Encoding(System.Net.Http.Headers.HttpHeaders headers) =>
        headers.TryGetValues("grpc-encoding", out var values) ? string.Join(',', values) : null;

    private sealed class MeteredContent : HttpContent
    {
        private readonly HttpContent _inner;
        private CountingStream? _stream;

        public MeteredContent(HttpContent inner)
        {
            _inner = inner;
            foreach (var header in inner.Headers)
                Headers.TryAddWithoutValidation(header.Key, header.Value);
        }

        public long Bytes => _stream?.BytesWritten ?? 0;

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            _stream = new CountingStream(stream);
            return _inner.CopyToAsync(_stream, context, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
