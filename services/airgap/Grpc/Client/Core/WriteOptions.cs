namespace Grpc.Core;

[Flags]
public enum WriteFlags
{
    /// <summary>The message may wait in a buffer for more to follow.</summary>
    BufferHint = 1,

    /// <summary>Send this message as it is, even where the call compresses.</summary>
    NoCompress = 2,
}

public class WriteOptions
{
    public static readonly WriteOptions Default = new();

    public WriteOptions(WriteFlags flags = default) => Flags = flags;

    public WriteFlags Flags { get; }
}
