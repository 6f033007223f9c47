using Grpc.Core;

namespace Grpc.Net.Client.Balancer;

public enum PickResultType
{
    Complete = 0,
    Queue = 1,
    Fail = 2,
    Drop = 3,
}

public sealed class PickContext
{
    public PickContext()
    {
    }

    public HttpRequestMessage? Request { get; set; }
}

/// <summary>Where a call goes: to a subchannel, into a queue until the state changes, or nowhere.</summary>
public sealed class PickResult
{
    private static readonly PickResult Queued = new(PickResultType.Queue, null, default, null);

    private PickResult(PickResultType type, Subchannel? subchannel, Status status, ISubchannelCallTracker? tracker)
    {
        Type = type;
        Subchannel = subchannel;
        Status = status;
        SubchannelCallTracker = tracker;
    }

    public PickResultType Type { get; }

    public Subchannel? Subchannel { get; }

    public Status Status { get; }

    public ISubchannelCallTracker? SubchannelCallTracker { get; }

    public static PickResult ForSubchannel(Subchannel subchannel, ISubchannelCallTracker? subchannelCallTracker = null) =>
        new(PickResultType.Complete, subchannel, Status.DefaultSuccess, subchannelCallTracker);

    /// <summary>Fails the call, unless it waits for a connection.</summary>
    public static PickResult ForFailure(Status status) => new(PickResultType.Fail, null, status, null);

    /// <summary>Fails the call in any case.</summary>
    public static PickResult ForDrop(Status status) => new(PickResultType.Drop, null, status, null);

    public static PickResult ForQueue() => Queued;
}

/// <summary>Picks a subchannel for each call; called from many threads at once.</summary>
public abstract class SubchannelPicker
{
    protected SubchannelPicker()
    {
    }

    public abstract PickResult Pick(PickContext context);
}

/// <summary>A picker that always says the same.</summary>
internal sealed class FixedPicker(PickResult result) : SubchannelPicker
{
    public static readonly FixedPicker Queue = new(PickResult.ForQueue());

    public static FixedPicker Failure(Status status) => new(PickResult.ForFailure(status));

    public override PickResult Pick(PickContext context) => result;
}

/// <summary>The subchannel that a call got, and its address at that time.</summary>
internal readonly record struct PickedSubchannel(Subchannel Subchannel, BalancerAddress Address, ISubchannelCallTracker? Tracker);
