namespace Mesh.Upsampler;

/// <summary>
/// Pictures that are being enlarged. Each has one tile in the queue or on the device, so where there are no more of them than the queue has places
/// no tile in the middle of a picture is ever refused. Safe for use from several threads.
/// </summary>
/// <param name="most">How many there may be.</param>
internal sealed class UpscalePlaces(int most)
{
    private readonly Lock _gate = new();
    private readonly HashSet<Place> _taken = [];

    /// <summary>Pictures now.</summary>
    public int Taken
    {
        get { lock (_gate) return _taken.Count; }
    }

    /// <summary>Takes a place, or returns null where all are taken.</summary>
    public Place? TryTake()
    {
        lock (_gate)
        {
            if (_taken.Count >= most) return null;
            var place = new Place(this);
            _taken.Add(place);
            return place;
        }
    }

    /// <summary>Tiles that are likely to run before a place is free: pictures take turns, and one of them has the fewest left.</summary>
    public int TilesUntilFree()
    {
        lock (_gate) return _taken.Count == 0 ? 0 : Math.Max(1, _taken.Min(x => x.TilesLeft)) * _taken.Count;
    }

    /// <summary>A picture's place, until it is disposed of.</summary>
    internal sealed class Place(UpscalePlaces owner) : IDisposable
    {
        /// <summary>Tiles that the picture still needs; 0 before that is known.</summary>
        public int TilesLeft { get; set; }

        public void Dispose()
        {
            lock (owner._gate) owner._taken.Remove(this);
        }
    }
}
