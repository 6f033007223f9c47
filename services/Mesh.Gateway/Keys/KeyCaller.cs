using Mesh.Gateway.Images;

namespace Mesh.Gateway.Keys;

/// <summary>Who calls, as the key said.</summary>
internal static class KeyCaller
{
    /// <summary>The caller of a request: the key's name, or nobody in particular where there are no keys.</summary>
    public static Caller Of(HttpContext context, DateTimeOffset? deadline) => new(context.User.Identity?.Name ?? Caller.Anonymous, deadline);
}
