namespace Mesh.Hosting.Health;

/// <summary>Tells that the service goes down: take nothing new, end what runs. Long streams end when their pending work has.</summary>
public sealed class Drain : IDisposable
{
    private readonly CancellationTokenSource _source = new();

    internal Drain() => Token = _source.Token;

    /// <summary>Cancelled once the service takes nothing new.</summary>
    public CancellationToken Token { get; }

    /// <summary>Whether the service takes nothing new.</summary>
    public bool IsDraining => Token.IsCancellationRequested;

    public void Dispose() => _source.Dispose();

    internal Task BeginAsync() => _source.CancelAsync();
}
