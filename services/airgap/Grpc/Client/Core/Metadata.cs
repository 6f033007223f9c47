using System.Collections;
using System.Text;
using Grpc.Core.Utils;

namespace Grpc.Core;

/// <summary>Headers or trailers of a call, in order; keys may repeat and are lower case. Keys ending in <c>-bin</c> carry bytes, others printable text.</summary>
public sealed class Metadata : IList<Metadata.Entry>
{
    public const string BinaryHeaderSuffix = "-bin";

    /// <summary>An empty, read-only instance.</summary>
    public static readonly Metadata Empty = new Metadata().Freeze();

    /// <summary>The request header by which a handler or a caller asks for a compressed request; consumed, never sent.</summary>
    internal const string CompressionRequestKey = "grpc-internal-encoding-request";

    private readonly List<Entry> _entries;

    public Metadata() => _entries = [];

    internal Metadata(int capacity) => _entries = new List<Entry>(capacity);

    public int Count => _entries.Count;

    public bool IsReadOnly { get; private set; }

    public Entry this[int index]
    {
        get => _entries[index];
        set
        {
            GrpcPreconditions.CheckNotNull(value);
            CheckWriteable();
            _entries[index] = value;
        }
    }

    /// <summary>The last entry with this key, or null.</summary>
    public Entry? Get(string key)
    {
        for (var i = _entries.Count - 1; i >= 0; i--)
        {
            if (_entries[i].Key == key) return _entries[i];
        }
        return null;
    }

    public string? GetValue(string key) => Get(key)?.Value;

    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;

    public IEnumerable<Entry> GetAll(string key)
    {
        for (var i = 0; i < _entries.Count; i++)
        {
            if (_entries[i].Key == key) yield return _entries[i];
        }
    }

    public void Add(Entry item)
    {
        GrpcPreconditions.CheckNotNull(item);
        CheckWriteable();
        _entries.Add(item);
    }

    public void Add(string key, string value) => Add(new Entry(key, value));

    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));

    public void Insert(int index, Entry item)
    {
        GrpcPreconditions.CheckNotNull(item);
        CheckWriteable();
        _entries.Insert(index, item);
    }

    public void RemoveAt(int index)
    {
        CheckWriteable();
        _entries.RemoveAt(index);
    }

    public bool Remove(Entry item)
    {
        CheckWriteable();
        return _entries.Remove(item);
    }

    public void Clear()
    {
        CheckWriteable();
        _entries.Clear();
    }

    public int IndexOf(Entry item) => _entries.IndexOf(item);

    public bool Contains(Entry item) => _entries.Contains(item);

    public void CopyTo(Entry[] array, int arrayIndex) => _entries.CopyTo(array, arrayIndex);

    public IEnumerator<Entry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _entries.GetEnumerator();

    internal Metadata Freeze()
    {
        IsReadOnly = true;
        return this;
    }

    private void CheckWriteable() => GrpcPreconditions.CheckState(!IsReadOnly, "Object is read only");

    /// <summary>One key with its text or bytes.</summary>
    public class Entry
    {
        private readonly string? _value;
        private readonly byte[]? _valueBytes;

        public Entry(string key, byte[] valueBytes)
        {
            Key = NormalizeKey(key);
            GrpcPreconditions.CheckArgument(HasBinarySuffix(Key), "Key for binary valued metadata entry needs to have suffix indicating binary value.");
            GrpcPreconditions.CheckNotNull(valueBytes, nameof(valueBytes));
            _valueBytes = valueBytes.AsSpan().ToArray();
        }

        public Entry(string key, string value)
        {
            Key = NormalizeKey(key);
            GrpcPreconditions.CheckArgument(!HasBinarySuffix(Key), "Key for ASCII valued metadata entry cannot have suffix indicating binary value.");
            _value = GrpcPreconditions.CheckNotNull(value, nameof(value));
        }

        /// <summary>Takes a key from the wire, already lower case and valid, and bytes that nobody else holds.</summary>
        private Entry(string key, string? value, byte[]? valueBytes)
        {
            Key = key;
            _value = value;
            _valueBytes = valueBytes;
        }

        public string Key { get; }

        public bool IsBinary => _value is null;

        /// <summary>The text.</summary>
        /// <exception cref="InvalidOperationException">The entry is binary.</exception>
        public string Value => _value ?? throw new InvalidOperationException("Cannot access string value of a binary metadata entry");

        /// <summary>A copy of the bytes; of a text entry, its ASCII bytes.</summary>
        public byte[] ValueBytes => _valueBytes is null ? Encoding.ASCII.GetBytes(_value!) : _valueBytes.AsSpan().ToArray();

        internal ReadOnlySpan<byte> RawBytes => _valueBytes;

        public override string ToString() => IsBinary
            ? $"[Entry: key={Key}, valueBytes={Convert.ToHexString(_valueBytes!)}]"
            : $"[Entry: key={Key}, value={_value}]";

        internal static Entry FromWire(string key, string value) => new(key, value, null);

        internal static Entry FromWire(string key, byte[] valueBytes) => new(key, null, valueBytes);

        internal static bool HasBinarySuffix(string key) => key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        private static string NormalizeKey(string key)
        {
            GrpcPreconditions.CheckNotNull(key, nameof(key));
            var lower = true;
            var valid = key.Length > 0;
            foreach (var c in key)
            {
                if (char.IsAsciiLetterUpper(c)) lower = false;
                else if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c is not ('.' or '-' or '_')) valid = false;
            }
            GrpcPreconditions.CheckArgument(valid, "Metadata entry key not valid. Keys can only contain lowercase alphanumeric characters, underscores, hyphens and dots.");
            return lower ? key : key.ToLowerInvariant();
        }
    }
}
