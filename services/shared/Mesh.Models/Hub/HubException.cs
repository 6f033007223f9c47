namespace Mesh.Models.Hub;

/// <summary>Why a model could not be fetched.</summary>
public enum HubFault
{
    /// <summary>The words of the command are wrong.</summary>
    Usage,

    /// <summary>No such repository, or a private one and no token that may see it.</summary>
    RepositoryNotFound,

    /// <summary>The repository has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The revision has no such file.</summary>
    EntryNotFound,

    /// <summary>The owner asks users to accept terms first.</summary>
    Gated,

    /// <summary>The token is not accepted, or one is needed.</summary>
    Unauthorized,

    /// <summary>The network may not be used, and the cache lacks what was asked for.</summary>
    Offline,

    /// <summary>The server could not be reached or kept failing.</summary>
    Network,

    /// <summary>The server answered something that the protocol does not allow.</summary>
    Protocol,

    /// <summary>What arrived is not what was announced: its size or its hash differ. It was thrown away.</summary>
    WrongContent,

    /// <summary>The cache could not be written.</summary>
    Storage,
}

/// <summary>A model could not be fetched. The message is one sentence that says what to do where something can be done.</summary>
public sealed class HubException : Exception
{
    public HubException(HubFault fault, string message, Exception? inner = null)
        : base(message, inner) => Fault = fault;

    public HubException(string message, Exception inner)
        : this(HubFault.Protocol, message, inner)
    {
    }

    public HubException(string message)
        : this(HubFault.Protocol, message)
    {
    }

    public HubException()
    {
    }

    /// <summary>Why.</summary>
    public HubFault Fault { get; }
}
