using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>A module that computes only; nothing can be registered with it.</summary>
public abstract class ParameterLessModule<T1, TResult> : nn.Module<T1, TResult>
{
    protected ParameterLessModule(string name)
        : base(name)
    {
        NamesItsComponents();
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw Refusal();

    public override void register_parameter(string name, Parameter param) => throw Refusal();

    public override void register_module(string name, nn.Module submodule) => throw Refusal();

    private InvalidOperationException Refusal() => new($"Nothing can be registered with {GetName()}, a module without parameters.");
}

/// <inheritdoc cref="ParameterLessModule{T1, TResult}"/>
public abstract class ParameterLessModule<T1, T2, TResult> : nn.Module<T1, T2, TResult>
{
    protected ParameterLessModule(string name)
        : base(name)
    {
        NamesItsComponents();
    }

    public override void register_buffer(string name, Tensor tensor, bool persistent = true) => throw Refusal();

    public override void register_parameter(string name, Parameter param) => throw Refusal();

    public override void register_module(string name, nn.Module submodule) => throw Refusal();

    private InvalidOperationException Refusal() => new($"Nothing can be registered with {GetName()}, a module without parameters.");
}
