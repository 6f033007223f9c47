using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>What an optimiser is told for a group of parameters.</summary>
public abstract class OptimizerOptions
{
    protected OptimizerOptions()
    {
    }

    public double? LearningRate { get; set; }

    public double InitialLearningRate { get; set; }

    public virtual void LoadStateDict(OptimizerOptions source)
    {
        ArgumentNullException.ThrowIfNull(source);
        (LearningRate, InitialLearningRate) = (source.LearningRate, source.InitialLearningRate);
    }

    public virtual void LoadStateDict(BinaryReader reader)
    {
        InitialLearningRate = reader.ReadDouble();
        LearningRate = reader.ReadDouble();
    }

    public virtual void SaveStateDict(BinaryWriter writer)
    {
        writer.Write(InitialLearningRate);
        writer.Write(LearningRate ?? 0);
    }
}

/// <summary>What an optimiser remembers of a parameter.</summary>
public abstract class OptimizerState
{
    private protected OptimizerState(Parameter parameter)
    {
        Parameter = parameter;
    }

    internal Parameter Parameter { get; }

    public abstract void LoadStateDict(OptimizerState source);

    public abstract void LoadStateDict(BinaryReader reader);

    public abstract void SaveStateDict(BinaryWriter writer);

    public virtual void to(Device device)
    {
    }

    public virtual bool ApproximatelyEquals(OptimizerState other) => false;

    public virtual void Initialize(OptimizerOptions options)
    {
    }

    internal virtual void Release()
    {
    }

    private protected Tensor Zeros()
    {
        using var none = no_grad();
        return Op.Call("zeros_like", Parameter).DetachFromDisposeScope();
    }

    /// <summary>Replaces a tensor of the state by a copy of another's, on this parameter's device.</summary>
    private protected void Copy(ref Tensor? target, Tensor? source)
    {
        using var none = no_grad();
        var copy = source?.to(Parameter.device, copy: true).DetachFromDisposeScope();
        target?.Dispose();
        target = copy;
    }

    private protected static void Move(ref Tensor? tensor, Device device)
    {
        if (tensor is null) return;
        using var none = no_grad();
        var moved = tensor.to(device).DetachFromDisposeScope();
        tensor.Dispose();
        tensor = moved;
    }

    private protected static bool Close(Tensor? a, Tensor? b) =>
        (a is null) == (b is null) && (a is null || (a.shape.AsSpan().SequenceEqual(b!.shape) && a.allclose(b)));

    /// <summary>Whether there is one, its type, shape and bytes.</summary>
    protected static void SaveConditionalStateTensor(BinaryWriter writer, Tensor? tensor)
    {
        writer.Write(tensor is not null);
        if (tensor is null) return;
        using var scope = NewDisposeScope();
        writer.Write((byte)tensor.dtype);
        writer.Write(tensor.shape.Length);
        foreach (var size in tensor.shape) writer.Write(size);
        writer.Write(tensor.cpu().contiguous().bytes);
    }

    protected static void LoadConditionalStateTensor(BinaryReader reader, ref Tensor? result, Device device)
    {
        Tensor? read = null;
        if (reader.ReadBoolean())
        {
            using var none = no_grad();
            using var scope = NewDisposeScope();
            var type = (ScalarType)reader.ReadByte();
            var shape = new long[reader.ReadInt32()];
            for (var i = 0; i < shape.Length; i++) shape[i] = reader.ReadInt64();
            var tensor = empty(shape, type);
            reader.BaseStream.ReadExactly(tensor.bytes);
            read = tensor.to(device).DetachFromDisposeScope();
        }
        result?.Dispose();
        result = read;
    }
}

/// <summary>Parameters that share options.</summary>
public class ParamGroup : optim.ILearningRateController
{
    public ParamGroup()
    {
    }

    public IEnumerable<Parameter> Parameters { get; set; } = [];

    public OptimizerOptions Options { get; set; } = null!;

    public double LearningRate
    {
        get => Options.LearningRate ?? throw new InvalidOperationException("The group belongs to no optimiser yet, and has no learning rate of its own.");
        set => Options.LearningRate = value;
    }

    public double InitialLearningRate
    {
        get => Options.InitialLearningRate;
        set => Options.InitialLearningRate = value;
    }
}

/// <inheritdoc/>
public class ParamGroup<TOptions> : ParamGroup
    where TOptions : OptimizerOptions
{
    public ParamGroup()
    {
    }

    public ParamGroup(IEnumerable<Parameter> parameters, TOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = parameters as IList<Parameter> ?? parameters.ToList();
        base.Options = options!;
    }

    public new TOptions Options
    {
        get => (TOptions)base.Options;
        set => base.Options = value;
    }
}
