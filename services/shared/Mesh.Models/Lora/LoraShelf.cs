using static TorchSharp.torch.nn;

namespace Mesh.Models.Lora;

/// <summary>
/// The LoRA files that networks have been asked for, and which of them are merged now. Merging always starts from the networks' own weights
/// and goes in the order given, so that the same LoRAs give the same weights, and none give the networks' own, bit for bit. Files may be taken
/// from any thread; merging and disposing are for one.
/// </summary>
public sealed class LoraShelf : IDisposable
{
    private const int MostFiles = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, MergedLoras> _merged;
    private readonly Func<string, LoraFile> _read;
    private readonly List<Place> _places = []; // used longest ago first
    private (Place Place, double Factor)[] _current = [];

    /// <summary>A shelf without files.</summary>
    /// <param name="networks">By component; their weights change in place.</param>
    /// <param name="read">Reads the file that a key means; called on threads of the pool.</param>
    public LoraShelf(IReadOnlyDictionary<string, Module> networks, Func<string, LoraFile> read)
    {
        _merged = networks.ToDictionary(n => n.Key, n => new MergedLoras(n.Value), StringComparer.Ordinal);
        _read = read;
    }

    /// <summary>
    /// Reads the files that are not on the shelf, away from the caller's thread, and keeps all of them there until what it returns is disposed of.
    /// Whoever asks for a file that is being read waits for that. The networks must stay until the task has ended. What reading throws, the task
    /// throws; the next who asks has it read again.
    /// </summary>
    /// <param name="keys">What each file is called where it is read.</param>
    public async Task<IDisposable> TakeAsync(IReadOnlyList<string> keys)
    {
        var hold = new Hold(this, [.. keys.Select(Take)]);
        try
        {
            await Task.WhenAll(hold.Places.Select(p => p.File)).ConfigureAwait(false);
            return hold;
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>Merges these LoRAs and no others; does nothing where they are merged already. A file that nobody has taken is read first.</summary>
    /// <param name="loras">What each file is called where it is read, and its factor. Where it throws, none is merged.</param>
    public void Use(IReadOnlyList<(string Key, double Factor)> loras)
    {
        if (_current.Select(c => (c.Place.Key, c.Factor)).SequenceEqual(loras))
            return;
        Clear();
        using var taken = TakeAsync([.. loras.Select(l => l.Key)]).GetAwaiter().GetResult();
        try
        {
            foreach (var (key, factor) in loras)
            {
                var place = Take(key);
                _current = [.. _current, (place, factor)];
                foreach (var (component, merged) in _merged)
                {
                    if (place.File.Result.Layers(component) is { Count: > 0 } layers)
                        merged.Set(layers, factor);
                }
            }
        }
        catch
        {
            Clear();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var merged in _merged.Values)
            merged.Dispose();
        lock (_gate)
        {
            _places.ForEach(Free);
            _places.Clear();
        }
    }

    private void Clear()
    {
        foreach (var (place, _) in _current)
        {
            foreach (var (component, merged) in _merged)
            {
                if (place.File.Result.Layers(component) is { Count: > 0 } layers)
                    merged.Remove(layers);
            }
        }

        Release([.. _current.Select(c => c.Place)]);
        _current = [];
    }

    private Place Take(string key)
    {
        lock (_gate)
        {
            var place = _places.Find(p => p.Key == key && !p.File.IsFaulted);
            if (place is null)
                place = new Place(key, Task.Run(() => _read(key)));
            else
                _places.Remove(place);
            _places.Add(place);
            place.Uses++;
            return place;
        }
    }

    private void Release(IReadOnlyList<Place> places)
    {
        lock (_gate)
        {
            foreach (var place in places)
                place.Uses--;
            _places.RemoveAll(p => p.Uses == 0 && p.File.IsFaulted);
            while (_places.Count > MostFiles && _places.Find(p => p.Uses == 0) is { } oldest)
            {
                _places.Remove(oldest);
                Free(oldest);
            }
        }
    }

    // Nobody is told any more of a file that could not be read.
    private static void Free(Place place) => place.File.ContinueWith(
        static file => file.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    /// <summary>A file on the shelf. How often it is in use is guarded by the shelf's lock.</summary>
    private sealed class Place(string key, Task<LoraFile> file)
    {
        public string Key => key;

        public Task<LoraFile> File => file;

        public int Uses { get; set; }
    }

    private sealed class Hold(LoraShelf shelf, Place[] places) : IDisposable
    {
        private bool _disposed;

        public Place[] Places => places;

        public void Dispose()
        {
            if (!Interlocked.Exchange(ref _disposed, true))
                shelf.Release(places);
        }
    }
}
