using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

using Tensor = global::TorchSharp.torch.Tensor;

public sealed class ModuleTests
{
    [Fact]
    public void NamedParameters_OfFields_UseComponentNamesInOrder()
    {
        using var block = new Block();
        block.named_parameters().Select(p => p.name).ShouldBe(["scale", "conv_in.weight", "conv_in.bias", "_norm.weight", "_norm.bias", "blocks.0.weight", "blocks.1.weight"]);
        block.named_children().Select(c => c.name).ShouldBe(["conv_in", "_norm", "blocks"]);
        block.named_buffers().Select(b => b.name).ShouldBe(["_table"]);
        block.has_parameter("conv_in.weight").ShouldBeTrue();
        block.has_parameter("conv_in.nothing").ShouldBeFalse();
        block.get_parameter("blocks.1.weight")!.shape.ShouldBe([2, 4]);
    }

    [Fact]
    public void StateDict_OfAModule_ListsParametersThenPersistentBuffers()
    {
        using var norm = new WithBuffers();
        norm.state_dict().Keys.ShouldBe(["_norm.weight", "_norm.bias", "kept", "_norm.running_mean", "_norm.running_var", "_norm.num_batches_tracked"]);
        norm.named_buffers().Select(b => b.name).ShouldContain("dropped");
    }

    [Fact]
    public void LoadStateDict_FromAnotherModule_CopiesValues()
    {
        using var source = new Block();
        using var target = new Block();
        Numbers.Values(source.get_parameter("conv_in.weight")!).ShouldNotBe(Numbers.Values(target.get_parameter("conv_in.weight")!));
        var (missing, unexpected) = target.load_state_dict(source.state_dict());
        missing.ShouldBeEmpty();
        unexpected.ShouldBeEmpty();
        foreach (var (name, parameter) in source.named_parameters()) target.get_parameter(name)!.ShouldBeClose(parameter, 0);
        target.get_parameter("conv_in.weight")!.Handle.ShouldNotBe(source.get_parameter("conv_in.weight")!.Handle);
    }

    [Fact]
    public void LoadStateDict_WithOtherKeys_FailsWhenStrictAndReportsOtherwise()
    {
        using var module = new Block();
        using var extra = torch.ones(1);
        var state = module.state_dict();
        state.Remove("scale");
        state["other"] = extra;
        Should.Throw<InvalidOperationException>(() => module.load_state_dict(state));
        var (missing, unexpected) = module.load_state_dict(state, strict: false);
        missing.ShouldBe(["scale"]);
        unexpected.ShouldBe(["other"]);
        module.load_state_dict(state, true, ["scale", "other"]).Item1.ShouldBeEmpty("both differences were excused");
    }

    [Fact]
    public void To_AnotherType_ConvertsFloatingPointOnlyAndReplacesFields()
    {
        using var module = new WithBuffers();
        module.to(torch.ScalarType.Float64);
        module.get_parameter("_norm.weight")!.dtype.ShouldBe(torch.ScalarType.Float64);
        module.get_buffer("_norm.running_mean")!.dtype.ShouldBe(torch.ScalarType.Float64);
        module.get_buffer("_norm.num_batches_tracked")!.dtype.ShouldBe(torch.ScalarType.Int64);
        using var x = Numbers.Wave([2, 3, 2, 2], 0, torch.ScalarType.Float64);
        using var y = module.call(x);
        y.dtype.ShouldBe(torch.ScalarType.Float64);
        Should.Throw<ArgumentException>(() => module.to(torch.ScalarType.Int64));
    }

    [Fact]
    public void TrainAndEval_ReachAllSubmodules()
    {
        using var block = new Block();
        block.training.ShouldBeTrue();
        block.eval();
        block.modules().ShouldAllBe(m => !m.training);
        block.train();
        block.modules().ShouldAllBe(m => m.training);
        block.modules().Count().ShouldBe(5);
    }

    [Fact]
    public void Apply_VisitsChildrenBeforeTheirParent()
    {
        using var block = new Block();
        var seen = new List<string>();
        block.apply(m => seen.Add(m.GetName()));
        seen.Count.ShouldBe(6);
        seen[^1].ShouldBe("Block");
    }

    [Fact]
    public void RegisterModule_UnderATakenOrDottedName_Fails()
    {
        using var block = new Block();
        using var other = Linear(1, 1);
        Should.Throw<InvalidOperationException>(() => block.register_module("conv_in", other));
        Should.Throw<ArgumentException>(() => block.register_module("a.b", other));
    }

    [Fact]
    public void ForwardHooks_ChangeInputAndResultUntilRemoved()
    {
        using var identity = Identity();
        using var x = torch.ones(2);
        var calls = 0;
        var pre = identity.register_forward_pre_hook((_, input) => input + 1);
        var post = identity.register_forward_hook((_, _, result) => result * 10);
        var watch = identity.register_forward_hook(_ => calls++);
        using (var y = identity.call(x)) y.ShouldBeClose([20, 20]);
        pre.remove();
        using (var y = identity.call(x)) y.ShouldBeClose([10, 10]);
        post.remove();
        watch.remove();
        using (var y = identity.call(x)) y.ShouldBeClose([1, 1]);
        calls.ShouldBe(2);
    }

    [Fact]
    public void ZeroGrad_ClearsTheGradientsOfAllParameters()
    {
        using var linear = Linear(2, 1);
        using var x = torch.ones(1, 2);
        linear.call(x).sum().backward();
        linear.weight!.grad.ShouldNotBeNull();
        linear.zero_grad();
        linear.parameters().ShouldAllBe(p => IsZero(p.grad));
    }

    [Fact]
    public void Module_MadeInADisposeScope_KeepsItsParameters()
    {
        Linear linear;
        using (torch.NewDisposeScope()) linear = Linear(2, 3);
        linear.weight!.shape.ShouldBe([3, 2]);
        linear.Dispose();
    }

    [Fact]
    public void Modules_OfTwoAndThreeInputs_PassThemOn()
    {
        using var module = new Weighted();
        using var a = torch.ones(2);
        using var b = torch.ones(2) * 2;
        using var result = module.call(a, b, 3);
        result.ShouldBeClose([7, 7]);
    }

    [Fact]
    public async Task Call_FromSeveralThreads_GivesTheSameResult()
    {
        using var net = Sequential(Conv2d(3, 8, 3, padding: 1), GroupNorm(2, 8), SiLU(), Conv2d(8, 4, 1), Flatten(), Linear(4 * 36, 5));
        net.eval();
        using var x = Numbers.Wave([2, 3, 6, 6]);
        double[] Run()
        {
            using var mode = torch.inference_mode();
            using var scope = torch.NewDisposeScope();
            return Numbers.Values(net.call(x));
        }

        var expected = Run();
        var runs = Enumerable.Range(0, 4).Select(_ => Task.Run(() => Enumerable.Range(0, 20).Select(_ => Run()).ToList())).ToArray();
        foreach (var results in await Task.WhenAll(runs).WaitAsync(TimeSpan.FromMinutes(2)))
            foreach (var result in results) result.ShouldBe(expected, 1e-6);
    }

    private static bool IsZero(Tensor? gradient) => gradient is null || Numbers.Values(gradient).All(v => v == 0);

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Parameter scale = Parameter(torch.ones(2));
        [ComponentName(Name = "conv_in")]
        private readonly Conv2d _in = Conv2d(1, 2, 3);
        private readonly GroupNorm _norm = GroupNorm(1, 2);
        private readonly ModuleList<Linear> blocks = ModuleList(Linear(2, 4, false), Linear(4, 2, false));
        private readonly Tensor _table = torch.ones(3);

        internal Block()
            : base(nameof(Block))
        {
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _norm.call(_in.call(input)) * scale.sum() * _table.sum() * blocks.Count;
    }

    private sealed class WithBuffers : Module<Tensor, Tensor>
    {
        private readonly BatchNorm2d _norm = BatchNorm2d(3);

        internal WithBuffers()
            : base(nameof(WithBuffers))
        {
            register_buffer("kept", torch.ones(1));
            register_buffer("dropped", torch.ones(2), persistent: false);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _norm.call(input);
    }

    private sealed class Weighted : Module<Tensor, Tensor, int, Tensor>
    {
        internal Weighted()
            : base(nameof(Weighted))
        {
            RegisterComponents();
        }

        public override Tensor forward(Tensor input1, Tensor input2, int input3) => input1 + input2 * input3;
    }
}
