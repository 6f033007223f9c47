using Grpc.Core.Utils;

namespace Grpc.Core;

/// <summary>A long-lived way to a server or to several; clients are made from it.</summary>
public abstract class ChannelBase
{
    protected ChannelBase(string target) => Target = GrpcPreconditions.CheckNotNull(target, nameof(target));

    public string Target { get; }

    public abstract CallInvoker CreateCallInvoker();

    public Task ShutdownAsync() => ShutdownAsyncCore();

    protected virtual Task ShutdownAsyncCore() => Task.CompletedTask;
}
