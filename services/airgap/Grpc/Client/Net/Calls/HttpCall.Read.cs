using System.Globalization;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client.Framing;

namespace Grpc.Net.Client.Calls;

/// <summary>The response: its head, its messages, its end.</summary>
internal sealed partial class HttpCall<TRequest, TResponse>
{
    private static readonly Status NoMessage = new(StatusCode.Internal, "Failed to deserialize response message.");

    private Task<Status?>? _head;
    private TResponse? _current;
    private int _reading;

    public override TResponse Current => _current ?? throw new InvalidOperationException("No message is available.");

    public override async Task<Metadata> GetResponseHeadersAsync()
    {
        var status = await _head!.ConfigureAwait(false);

        // A response that is only a status has headers too, told when the call has ended; without any response there are none.
        if (status is not null && _response is null) throw CreateException();
        var headers = GrpcProtocol.ToMetadata(_response!.Headers);
        if (_previousAttempts > 0) headers.Add(GrpcProtocol.PreviousAttemptsHeader, _previousAttempts.ToString(CultureInfo.InvariantCulture));
        return headers;
    }

    /// <summary>Takes the one response of a call that was sent.</summary>
    public async Task<TResponse> GetSingleResponseAsync()
    {
        if (await _head!.ConfigureAwait(false) is not null) throw CreateException();
        try
        {
            var reader = OpenReader();
            TResponse? message = null;
            if (await reader.ReadAsync(_stop.Token).ConfigureAwait(false))
            {
                message = Deserialize(reader);
                if (!await reader.IsAtEndAsync(_stop.Token).ConfigureAwait(false)) throw new InvalidDataException("Unexpected data after finished reading message.");
            }
            reader.Release();
            var status = GrpcProtocol.GetTrailingStatus(_response!);
            if (message is null && status.StatusCode == StatusCode.OK) status = NoMessage;
            Finish(status, null);
            if (message is not null && GetStatus().StatusCode == StatusCode.OK) return message;
        }
        catch (Exception exception)
        {
            Fail(exception, "Error reading response message.");
        }
        throw CreateException();
    }

    public override async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _reading, 1) != 0) throw new InvalidOperationException("Can't read the next message because the previous read is in progress.");
        try
        {
            using var registration = cancellationToken.UnsafeRegister(static call => ((HttpCall<TRequest, TResponse>)call!).CancelByCaller(), this);
            if (await _head!.ConfigureAwait(false) is null && Outcome is null && await TryReadAsync().ConfigureAwait(false)) return true;
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }
        _current = null;
        return GetStatus().StatusCode == StatusCode.OK ? false : throw CreateException();
    }

    /// <summary>Sends a request whose body another makes; see <see cref="SendAsync"/>.</summary>
    public Task<Status?> StartAsync(RequestContent content) => _head = SendAsync(content);

    /// <summary>False where the call has ended, well or not.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> TryReadAsync()
    {
        try
        {
            var reader = _reader ??= OpenReader();
            if (await reader.ReadAsync(_stop.Token).ConfigureAwait(false))
            {
                _current = Deserialize(reader);
                return true;
            }
            reader.Release();
            Finish(GrpcProtocol.GetTrailingStatus(_response!), null);
        }
        catch (Exception exception)
        {
            Fail(exception, "Error reading next message.");
        }
        return false;
    }

    private TResponse Deserialize(MessageReader reader)
    {
        try
        {
            return reader.Deserialize(_method.ResponseMarshaller.ContextualDeserializer);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw new RpcException(new Status(StatusCode.Internal, "Error deserializing response message. " + GrpcProtocol.Describe(exception), exception));
        }
    }

    private MessageReader OpenReader() => new(
        _response!.Content.ReadAsStream(), _channel.MaxReceiveMessageSize, GrpcProtocol.GetHeader(_response.Headers, GrpcProtocol.EncodingHeader), _channel.Compressions);
}
