namespace Mesh.Gateway.Web;

/// <summary>A fault that is HTTP's alone, such as a body that is too large.</summary>
internal sealed class WebFaultException(int code, WebError error) : Exception(error.Message)
{
    /// <summary>Of HTTP.</summary>
    public int Code { get; } = code;

    public WebError Error { get; } = error;
}
