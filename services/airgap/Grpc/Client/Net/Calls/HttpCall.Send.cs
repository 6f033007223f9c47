using System.Globalization;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client.Framing;
using Grpc.Net.Compression;

namespace Grpc.Net.Client.Calls;

/// <summary>The request: its head, its messages.</summary>
internal sealed partial class HttpCall<TRequest, TResponse>
{
    private RequestContent? _content;
    private StreamingContent? _body;
    private bool _writing;
    private bool _writesComplete;

    /// <summary>Sends the request and waits for the response's head. Null where the call goes on, else how it ended; never throws.</summary>
    private async Task<Status?> SendAsync(RequestContent content)
    {
        _content = content;
        try
        {
            if (!Arm()) return GetStatus();
            var request = CreateRequest(content);
            if (_channel.CallCredentials.Count > 0 || _options.Credentials is not null) await AddCredentialsAsync(request.Headers).ConfigureAwait(false);
            if (_channel.Connections is { } connections)
            {
                _picked = await connections.PickAsync(request, _options.IsWaitForReady, _stop.Token).ConfigureAwait(false);
                _entry.Aim(request, _picked);
                _picked.Tracker?.Start();
            }
            var response = await _channel.Invoker.SendAsync(request, _stop.Token).ConfigureAwait(false);
            if (!Accept(response)) return GetStatus();
            if (GrpcProtocol.CheckHead(response) is not { } status) return null;
            if (status.StatusCode == StatusCode.OK && HasSingleResponse) status = NoMessage;
            Finish(status, null);
            return GetStatus();
        }
        catch (Exception exception)
        {
            return Fail(exception, "Error starting gRPC call.");
        }
    }

    /// <summary>Serializes the one message of a unary request and writes its frame.</summary>
    public async Task SendUnaryAsync(Stream stream, TRequest message, CancellationToken cancellationToken)
    {
        var writer = MessageWriter.Rent();
        try
        {
            await stream.WriteAsync(WriteFrame(writer, message, _options.WriteOptions), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            writer.Return();
        }
    }

    public override async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        BeginWrite();
        using var registration = cancellationToken.UnsafeRegister(static call => ((HttpCall<TRequest, TResponse>)call!).CancelByCaller(), this);
        MessageWriter? writer = null;
        try
        {
            var stream = await _body!.Opened.ConfigureAwait(false);
            var options = WriteOptions;
            writer = MessageWriter.Rent();
            await stream.WriteAsync(WriteFrame(writer, message, options), _stop.Token).ConfigureAwait(false);
            if (options is null || (options.Flags & WriteFlags.BufferHint) == 0) await stream.FlushAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw await ExplainWriteFailureAsync(exception).ConfigureAwait(false);
        }
        finally
        {
            writer?.Return();
            Volatile.Write(ref _writing, false);
        }
    }

    private ReadOnlyMemory<byte> WriteFrame(MessageWriter writer, TRequest message, WriteOptions? options)
    {
        var compression = options is null || (options.Flags & WriteFlags.NoCompress) == 0 ? _compression : null;
        return writer.WriteFrame(_method.RequestMarshaller.ContextualSerializer, message, _channel.MaxSendMessageSize, compression);
    }

    public override Task CompleteAsync()
    {
        lock (_stop)
        {
            if (_writing) throw new InvalidOperationException("Can't complete the client stream writer because the previous write is in progress.");
            _writesComplete = true;
        }
        _body!.Close();
        return Task.CompletedTask;
    }

    protected override Task<TResponse> StartSingleResponseAsync(TRequest? request)
    {
        _head = SendAsync(CreateContent(request));
        return GetSingleResponseAsync();
    }

    protected override void StartStreamingResponse(TRequest? request) => _head = SendAsync(CreateContent(request));

    private RequestContent CreateContent(TRequest? request)
    {
        if (request is not null) return new UnaryContent<TRequest, TResponse>(this, request);
        _body = new StreamingContent();
        return _body;
    }

    private void BeginWrite()
    {
        lock (_stop)
        {
            if (_writesComplete) throw new InvalidOperationException("Request stream has already been completed.");
            if (_writing) throw new InvalidOperationException("Can't write the message because the previous write is in progress.");
            if (!_finished)
            {
                _writing = true;
                return;
            }
        }
        throw CallIsOver();
    }

    private Exception CallIsOver() => GetStatus().StatusCode == StatusCode.OK
        ? new InvalidOperationException("Can't write the message because the call is complete.")
        : CreateException();

    /// <summary>A failed write means that the call is over; how, the response says, for which there is a moment to arrive.</summary>
    private async Task<Exception> ExplainWriteFailureAsync(Exception exception)
    {
        if (exception is not OperationCanceledException)
        {
            try
            {
                await Completion.WaitAsync(TimeSpan.FromMilliseconds(500)).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                Fail(exception, "Error writing request message.");
            }
        }
        if (Outcome is null) Fail(exception, "Error writing request message.");
        return CallIsOver();
    }

    /// <summary>Takes the response, unless the call ended while it came.</summary>
    private bool Accept(HttpResponseMessage response)
    {
        lock (_stop)
        {
            if (!_finished)
            {
                _response = response;
                return true;
            }
        }
        response.Dispose();
        return false;
    }

    private GrpcRequestMessage CreateRequest(RequestContent content)
    {
        var request = new GrpcRequestMessage(HttpMethod.Post, _entry.Uri)
        {
            Version = _channel.HttpVersion,
            VersionPolicy = _channel.HttpVersionPolicy,
            Content = content,
        };
        var headers = request.Headers;
        if (_host is not null) headers.Host = _host;
        headers.TryAddWithoutValidation("User-Agent", GrpcProtocol.UserAgent);
        headers.TryAddWithoutValidation("TE", "trailers");
        headers.TryAddWithoutValidation(GrpcProtocol.AcceptEncodingHeader, _channel.AcceptEncoding);
        if (_options.Headers is { Count: > 0 } metadata) AddMetadata(headers, metadata);
        if (_compression is not null) headers.TryAddWithoutValidation(GrpcProtocol.EncodingHeader, _compression.EncodingName);
        if (_options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            headers.TryAddWithoutValidation(GrpcProtocol.TimeoutHeader, GrpcProtocol.EncodeTimeout(deadline - DateTime.UtcNow));
        }
        if (_previousAttempts > 0)
        {
            headers.TryAddWithoutValidation(GrpcProtocol.PreviousAttemptsHeader, _previousAttempts.ToString(CultureInfo.InvariantCulture));
        }
        return request;
    }

    private void AddMetadata(HttpRequestHeaders headers, Metadata metadata)
    {
        for (var i = 0; i < metadata.Count; i++)
        {
            var entry = metadata[i];
            if (entry.Key == Metadata.CompressionRequestKey) _compression = FindCompression(_channel, entry.Value);
            else AddEntry(headers, entry);
        }
    }

    /// <summary>The compression that a call's headers ask for, if any.</summary>
    public static ICompressionProvider? FindCompression(GrpcChannel channel, Metadata? headers) =>
        headers?.GetValue(Metadata.CompressionRequestKey) is { } name ? FindCompression(channel, name) : null;

    private static void AddEntry(HttpRequestHeaders headers, Metadata.Entry entry) =>
        headers.TryAddWithoutValidation(entry.Key, entry.IsBinary ? Convert.ToBase64String(entry.RawBytes) : entry.Value);

    private static ICompressionProvider? FindCompression(GrpcChannel channel, string name)
    {
        if (name == GrpcProtocol.Identity) return null;
        return channel.Compressions.TryGetValue(name, out var found)
            ? found
            : throw new InvalidOperationException($"Could not find compression provider for '{name}'.");
    }

    private async Task AddCredentialsAsync(HttpRequestHeaders headers)
    {
        if (!_channel.SendsCallCredentials) return;
        var context = new AuthInterceptorContext(_channel.GetServiceUrl(_method), _method.Name, _stop.Token);
        var interceptors = _options.Credentials is { } own ? [.. _channel.CallCredentials, .. CredentialsCollector.Collect(own)] : _channel.CallCredentials;
        foreach (var interceptor in interceptors)
        {
            var metadata = new Metadata();
            await interceptor(context, metadata).ConfigureAwait(false);
            foreach (var entry in metadata) AddEntry(headers, entry);
        }
    }
}
