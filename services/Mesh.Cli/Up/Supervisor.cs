namespace Mesh.Cli.Up;

/// <summary>Starts programs, keeps them running, and stops them in turn.</summary>
/// <param name="specs">What to run.</param>
/// <param name="tell">Takes messages, a line each.</param>
/// <param name="backOff">Waits before starts after the first.</param>
/// <param name="stopLimit">How long a program may take to end.</param>
internal sealed class Supervisor(IReadOnlyList<ChildSpec> specs, Action<string> tell, BackOff backOff, TimeSpan stopLimit) : IAsyncDisposable
{
    private readonly List<Child> _children = [.. specs.Select(x => new Child(x, backOff, TimeProvider.System))];
    private readonly List<Task> _running = [];
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isUp;
    private bool _isStopped;

    public IReadOnlyList<Child> Children => _children;

    /// <summary>Fails when the mesh cannot come up: a program that it needs ended by itself before <see cref="MarkUp"/>.</summary>
    public Task Failure => _failed.Task;

    public void Start()
    {
        foreach (var child in _children)
        {
            child.Ended += (exit, delay) => Ended(child, exit, delay);
            child.Restarted += id => tell($"{child.Spec.Name} was started again, process {id}");
            _running.Add(WatchAsync(child));
        }
    }

    /// <summary>The mesh is up: from now on whatever ends is started again.</summary>
    public void MarkUp() => _isUp = true;

    /// <summary>Stops all, those who ask before those who are asked.</summary>
    public async Task StopAsync()
    {
        if (_isStopped) return;
        _isStopped = true;
        foreach (var turn in _children.GroupBy(x => x.Spec.StopTurn).OrderBy(x => x.Key))
            await Task.WhenAll(turn.Select(StopAsync)).ConfigureAwait(false);
        await Task.WhenAll(_running).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        foreach (var child in _children) child.Dispose();
    }

    private async Task StopAsync(Child child)
    {
        if (!await child.StopAsync(stopLimit).ConfigureAwait(false)) tell($"{child.Spec.Name} did not end in {stopLimit.TotalSeconds:0.#} s and was killed");
    }

    private async Task WatchAsync(Child child)
    {
        try
        {
            await child.RunAsync().ConfigureAwait(false);
        }
        catch (IOException e)
        {
            if (!_failed.TrySetException(e)) tell(e.Message);
        }
    }

    private void Ended(Child child, ChildExit exit, TimeSpan delay)
    {
        if (!_isUp && !child.Spec.IsOptional && !exit.WasKilled)
            _failed.TrySetException(new IOException($"{exit.Name} does not start: {exit.Reason} (its log: {child.Spec.LogFile})"));
        else
            tell($"{exit.Name} ended, {exit.Reason}; starting it again in {delay.TotalSeconds:0.#} s (its log: {child.Spec.LogFile})");
    }
}
