using TorchSharp;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

public sealed class ContainerTests
{
    [Fact]
    public void Sequential_OfModules_RunsThemInOrder()
    {
        using var net = Sequential(Linear(2, 3), ReLU(), Linear(3, 1));
        using var x = Numbers.Wave([4, 2]);
        using var y = net.call(x);
        var first = (Modules(net)[0], Modules(net)[2]);
        using var scope = torch.NewDisposeScope();
        var expected = first.Item2.call(first.Item1.call(x).clamp(min: 0));
        y.ShouldBeClose(expected);
        net.named_parameters().Select(p => p.name).ShouldBe(["0.weight", "0.bias", "2.weight", "2.bias"]);
        net.Count.ShouldBe(3);
    }

    [Fact]
    public void Sequential_OfNamedModules_KeepsTheNames()
    {
        using var net = Sequential(("in", Linear(2, 2)), ("act", (Module<torch.Tensor, torch.Tensor>)Tanh()), ("out", Linear(2, 2)));
        net.state_dict().Keys.ShouldBe(["in.weight", "in.bias", "out.weight", "out.bias"]);
    }

    [Fact]
    public void Sequential_OfNothingOrIdentity_LeavesItsInputUsable()
    {
        using var x = torch.ones(3);
        foreach (var net in new[] { Sequential(), Sequential(Identity()), Sequential(Identity(), Identity(), Identity()) })
        {
            net.call(x).Dispose();
            x.ShouldBeClose([1, 1, 1]);
            net.Dispose();
        }
    }

    [Fact]
    public void Sequential_OfInPlaceModules_ChangesItsInput()
    {
        using var net = Sequential(Identity(), ReLU(inplace: true));
        using var x = torch.tensor(new float[] { -1, 1 });
        using var y = net.call(x);
        y.ShouldBeClose([0, 1]);
        x.ShouldBeClose([0, 1]);
    }

    [Fact]
    public void Sequential_OfLayersAndActivations_GivesTheSameWithAndWithoutGradients()
    {
        using var net = Sequential(Conv2d(3, 16, 3, padding: 1), ReLU(), GroupNorm(4, 16), SiLU(), Conv2d(16, 8, 3, stride: 2), SiLU(), Flatten(), Linear(8 * 9, 6), ReLU());
        using var x = Numbers.Wave([2, 3, 8, 8]);
        using var expected = net.call(x);
        using var mode = torch.inference_mode();
        for (var i = 0; i < 2; i++)
        {
            using var y = net.call(x);
            y.ShouldBeClose(expected);
        }
    }

    [Fact]
    public void Hooks_WithinASequence_RunInInferenceToo()
    {
        var act = SiLU();
        using var net = Sequential(GroupNorm(1, 2), act);
        var calls = 0;
        act.register_forward_hook(_ => calls++);
        using var x = Numbers.Wave([1, 2, 3, 3]);
        using var mode = torch.inference_mode();
        net.call(x).Dispose();
        calls.ShouldBe(1);
    }

    [Fact]
    public void ModuleList_ThatGrows_NumbersItsModules()
    {
        using var holder = new Holder();
        holder.Modules.Count.ShouldBe(2);
        holder.state_dict().Keys.ShouldBe(["Modules.0.weight", "Modules.1.weight"]);
        holder.Modules.Select(m => m.weight!.shape[0]).ShouldBe([3L, 4L]);
    }

    [Fact]
    public void ModuleDict_KeepsKeysAndOrder()
    {
        using var dict = ModuleDict(("b", Linear(1, 1, false)), ("a", Linear(1, 2, false)));
        dict.Keys.ShouldBe(["b", "a"]);
        dict["a"].weight!.shape.ShouldBe([2, 1]);
        dict.ContainsKey("c").ShouldBeFalse();
    }

    [Fact]
    public void ParameterList_InAModule_IsListed()
    {
        using var list = ParameterList(Parameter(torch.ones(2)), Parameter(torch.zeros(3)));
        list.Count.ShouldBe(2);
        list[1].shape.ShouldBe([3]);
        list.named_parameters().Select(p => p.name).ShouldBe(["0", "1"]);
    }

    private static List<Module<torch.Tensor, torch.Tensor>> Modules(Module net) => net.children().Cast<Module<torch.Tensor, torch.Tensor>>().ToList();

    private sealed class Holder : Module
    {
        internal readonly global::TorchSharp.Modules.ModuleList<global::TorchSharp.Modules.Linear> Modules = new();

        internal Holder()
            : base(nameof(Holder))
        {
            Modules.append(Linear(2, 3, false));
            Modules.append(Linear(3, 4, false));
            RegisterComponents();
        }
    }
}
