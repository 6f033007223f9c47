using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Mesh.Models.Weights;

/// <summary>A storage that a pickle refers to: the archive entry <c>data/KEY</c> with that many elements.</summary>
internal sealed record PickledStorage(string Key, DType DType, long Count);

/// <summary>A view into a storage; offset and strides count elements.</summary>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>
/// Reads the one kind of pickle that a flat dictionary of tensors makes: protocol 2, the short list of opcodes below, two callable names.
/// Nothing is ever executed: a name outside the list, an opcode outside the list, or one of them used otherwise than torch uses it, is refused.
/// </summary>
internal sealed class PickleReader
{
    private const int MaxStack = 200_000;
    private const int MaxMemo = 2_000_000;
    private const int MaxDimensions = 16;

    private static readonly Dictionary<string, DType> StorageTypes = new(StringComparer.Ordinal)
    {
        ["FloatStorage"] = DType.F32,
        ["HalfStorage"] = DType.F16,
        ["BFloat16Storage"] = DType.BF16,
        ["DoubleStorage"] = DType.F64,
        ["LongStorage"] = DType.I64,
        ["IntStorage"] = DType.I32,
        ["ShortStorage"] = DType.I16,
        ["CharStorage"] = DType.I8,
        ["ByteStorage"] = DType.U8,
        ["BoolStorage"] = DType.Bool,
    };

    private readonly byte[] _pickle;
    private readonly string _path;
    private readonly List<object> _stack = [];
    private readonly Dictionary<uint, object> _memo = [];
    private readonly Dictionary<string, PickledStorage> _storages = new(StringComparer.Ordinal);
    private int _at;
    private bool _built;

    private PickleReader(byte[] pickle, string path)
    {
        _pickle = pickle;
        _path = path;
    }

    /// <summary>The tensors of <paramref name="pickle"/>, by name, in its order.</summary>
    /// <exception cref="WeightFileException">The pickle holds anything else than a flat dictionary of tensors.</exception>
    public static List<KeyValuePair<string, PickledTensor>> Read(byte[] pickle, string path)
    {
        var reader = new PickleReader(pickle, path);
        return reader.Tensors(reader.Run());
    }

    private WeightFileException Fault(string what) => new($"{_path}: {what} (byte {_at} of its pickle): the file is refused");

    private List<KeyValuePair<string, PickledTensor>> Tensors(object top)
    {
        if (top is not PickleDict dictionary)
            throw Fault("the top object is no dictionary of tensors");
        var tensors = new List<KeyValuePair<string, PickledTensor>>();
        foreach (var (name, value) in dictionary.Items)
        {
            if (value is not PickledTensor tensor)
                throw Fault($"{WeightFileException.Quote(name)} is no tensor: only a flat dictionary of tensors can be read");
            tensors.Add(new(name, tensor));
        }
        return tensors;
    }

    private object Run()
    {
        if (_pickle.Length < 2 || _pickle[0] != 0x80 || _pickle[1] != 2)
            throw Fault("this is no pickle of protocol 2");
        _at = 2;
        while (true)
        {
            byte opcode = Byte();
            if (opcode == (byte)'.')
                break;
            Step(opcode);
            if (_stack.Count > MaxStack || _memo.Count > MaxMemo)
                throw Fault("the pickle nests or remembers too much");
        }
        if (_at != _pickle.Length)
            throw Fault("bytes follow the end of the pickle");
        if (_stack.Count != 1)
            throw Fault($"{_stack.Count} objects are left at the end instead of one");
        return _stack[0];
    }

    private void Step(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'}': _stack.Add(new PickleDict()); break; // EMPTY_DICT
            case (byte)')': _stack.Add(Array.Empty<object>()); break; // EMPTY_TUPLE
            case (byte)'(': _stack.Add(PickleMark.Instance); break; // MARK
            case (byte)'X': _stack.Add(Text((int)Math.Min(U32(), int.MaxValue))); break; // BINUNICODE
            case (byte)'J': _stack.Add((long)(int)U32()); break; // BININT
            case (byte)'K': _stack.Add((long)Byte()); break; // BININT1
            case (byte)'M': _stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2))); break; // BININT2
            case 0x89: _stack.Add(false); break; // NEWFALSE
            case (byte)'t': _stack.Add(PopToMark()); break; // TUPLE
            case 0x85: _stack.Add(Pop(1)); break; // TUPLE1
            case 0x86: _stack.Add(Pop(2)); break; // TUPLE2
            case 0x87: _stack.Add(Pop(3)); break; // TUPLE3
            case (byte)'q': Remember(Byte()); break; // BINPUT
            case (byte)'r': Remember(U32()); break; // LONG_BINPUT
            case (byte)'h': Recall(Byte()); break; // BINGET
            case (byte)'j': Recall(U32()); break; // LONG_BINGET
            case (byte)'c': _stack.Add(Global(Line(), Line())); break; // GLOBAL
            case (byte)'Q': _stack.Add(Storage(Pop(1)[0])); break; // BINPERSID
            case (byte)'R': Reduce(Pop(2)); break; // REDUCE
            case (byte)'s': SetItems(Pop(2)); break; // SETITEM
            case (byte)'u': SetItems(PopToMark()); break; // SETITEMS
            case (byte)'b': Build(Pop(1)[0]); break; // BUILD
            default: throw Fault($"opcode 0x{opcode:x2} is not one that a file of tensors needs");
        }
    }

    private ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _pickle.Length - _at)
            throw Fault("the pickle is cut short");
        _at += count;
        return _pickle.AsSpan(_at - count, count);
    }

    private byte Byte() => Bytes(1)[0];

    private uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    private string Text(int count)
    {
        var bytes = Bytes(count);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Fault("a string is not valid UTF-8");
    }

    private string Line()
    {
        int length = _pickle.AsSpan(_at).IndexOf((byte)'\n');
        if (length is < 0 or > 200)
            throw Fault("a global's name does not end");
        string line = Text(length);
        _at++;
        return line;
    }

    private object[] Pop(int count)
    {
        if (_stack.Count < count)
            throw Fault("the stack is empty");
        object[] items = [.. _stack[^count..]];
        if (items.Contains(PickleMark.Instance))
            throw Fault("a mark stands where a value should");
        _stack.RemoveRange(_stack.Count - count, count);
        return items;
    }

    private object[] PopToMark()
    {
        int mark = _stack.LastIndexOf(PickleMark.Instance);
        if (mark < 0)
            throw Fault("there is no mark");
        object[] items = [.. _stack[(mark + 1)..]];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return items;
    }

    private void Remember(uint index)
    {
        if (_stack.Count == 0 || _stack[^1] is PickleMark)
            throw Fault("there is no value to remember");
        _memo[index] = _stack[^1];
    }

    private void Recall(uint index) => _stack.Add(_memo.TryGetValue(index, out object? value) ? value : throw Fault($"nothing is remembered as {index}"));

    private object Global(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => PickleCallable.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => PickleCallable.RebuildTensor,
        ("torch", _) when StorageTypes.TryGetValue(name, out var type) => type,
        _ => throw Fault($"the name {WeightFileException.Quote(module + "." + name)} is not one that a file of tensors needs"),
    };

    /// <summary>("storage", class, key, device, element count)</summary>
    private PickledStorage Storage(object id)
    {
        if (id is not object[] { Length: 5 } parts || parts[0] is not "storage" || parts[1] is not DType type || parts[2] is not string key
            || parts[3] is not string || parts[4] is not long count)
            throw Fault("a persistent id is no storage");
        if (key.Length is 0 or > 10 || !key.All(char.IsAsciiDigit) || count < 0)
            throw Fault($"the storage {WeightFileException.Quote(key)} of {count} elements is malformed");
        if (_storages.TryGetValue(key, out var known))
        {
            return known.DType == type && known.Count == count
                ? known
                : throw Fault($"the storage {key} is described in two ways");
        }
        return _storages[key] = new PickledStorage(key, type, count);
    }

    private void Reduce(object[] call)
    {
        if (call[0] is PickleCallable.OrderedDict && call[1] is object[] { Length: 0 })
            _stack.Add(new PickleDict { IsOrdered = true });
        else if (call[0] is PickleCallable.RebuildTensor && call[1] is object[] arguments)
            _stack.Add(Tensor(arguments));
        else
            throw Fault("a call is made that a file of tensors does not need");
    }

    /// <summary>(storage, offset, size, strides, requires_grad, backward hooks)</summary>
    private PickledTensor Tensor(object[] arguments)
    {
        if (arguments.Length != 6 || arguments[0] is not PickledStorage storage || arguments[1] is not long offset || arguments[2] is not object[] size
            || arguments[3] is not object[] stride || arguments[4] is not false || arguments[5] is not PickleDict { IsOrdered: true, Items.Count: 0 })
            throw Fault("a tensor is not described as torch does");
        if (size.Length != stride.Length || size.Length > MaxDimensions)
            throw Fault($"a tensor has {size.Length} sizes and {stride.Length} strides");
        long[] shape = Numbers(size), strides = Numbers(stride);
        try
        {
            long count = shape.Aggregate(1L, (product, n) => checked(product * n));
            long last = offset;
            for (int i = 0; i < shape.Length; i++)
                last = checked(last + (shape[i] - 1) * strides[i]);
            if (offset < 0 || count > 0 && last >= storage.Count || count == 0 && offset > storage.Count)
                throw Fault($"a tensor of shape {WeightFileException.Shape(shape)} reaches outside its storage of {storage.Count} elements");
            if (count > storage.Count)
                throw Fault($"a tensor of shape {WeightFileException.Shape(shape)} repeats elements of its storage of {storage.Count}");
        }
        catch (OverflowException e)
        {
            throw new WeightFileException($"{_path}: the size of a tensor of shape {WeightFileException.Shape(shape)} overflows: the file is refused", e);
        }
        return new PickledTensor(storage, offset, shape, strides);
    }

    private long[] Numbers(object[] values)
    {
        var numbers = new long[values.Length];
        for (int i = 0; i < values.Length; i++)
            numbers[i] = values[i] is long and >= 0 ? (long)values[i] : throw Fault("a size or stride is no integer from 0 on");
        return numbers;
    }

    private void SetItems(object[] items)
    {
        if (_stack.Count == 0 || _stack[^1] is not PickleDict dictionary || items.Length % 2 != 0)
            throw Fault("items are set on something else than a dictionary");
        for (int i = 0; i < items.Length; i += 2)
        {
            if (items[i] is not string name)
                throw Fault("a key is no string");
            if (!dictionary.Items.TryAdd(name, items[i + 1]))
                throw Fault($"the key {WeightFileException.Quote(name)} stands twice");
        }
    }

    /// <summary>torch hangs a dictionary of layer versions on the dictionary that it saves; it is checked and dropped.</summary>
    private void Build(object state)
    {
        bool isMetadata = state is PickleDict { Items.Count: 1 } outer && outer.Items.TryGetValue("_metadata", out object? metadata)
            && metadata is PickleDict layers && layers.Items.Values.All(v => v is PickleDict layer && layer.Items.Values.All(n => n is long or false));
        if (_built || _stack.Count != 1 || _stack[0] is not PickleDict { IsOrdered: true } || !isMetadata)
            throw Fault("BUILD does something else than to hang _metadata on the dictionary");
        _built = true;
    }

    private enum PickleCallable
    {
        OrderedDict,
        RebuildTensor,
    }

    private sealed class PickleMark
    {
        public static readonly PickleMark Instance = new();
    }

    private sealed class PickleDict
    {
        public bool IsOrdered { get; init; }

        public Dictionary<string, object> Items { get; } = new(StringComparer.Ordinal);
    }
}
