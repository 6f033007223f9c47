namespace Grpc.Net.Client.Balancer;

/// <summary>A stream that begins with bytes received before, and tells once when it is closed.</summary>
internal sealed class TrackedStream(Stream inner, ReadOnlyMemory<byte> received, Action closed) : Stream
{
    private ReadOnlyMemory<byte> _received = received;
    private Action? _closed = closed;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => _received.IsEmpty ? inner.Read(buffer) : TakeReceived(buffer);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _received.IsEmpty ? inner.ReadAsync(buffer, cancellationToken) : ValueTask.FromResult(TakeReceived(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

    public override void Write(ReadOnlySpan<byte> buffer) => inner.Write(buffer);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.WriteAsync(buffer, offset, count, cancellationToken);

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
            Interlocked.Exchange(ref _closed, null)?.Invoke();
        }
        base.Dispose(disposing);
    }

    private int TakeReceived(Span<byte> buffer)
    {
        var count = Math.Min(_received.Length, buffer.Length);
        _received.Span[..count].CopyTo(buffer);
        _received = count == _received.Length ? default : _received[count..];
        return count;
    }
}
