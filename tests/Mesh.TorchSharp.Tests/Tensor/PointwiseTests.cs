using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

/// <summary>Each function of one operand against System.Math, on numbers on both sides of zero where it is defined there.</summary>
public sealed class PointwiseTests
{
    private static readonly double[] All = [-2.5, -1, -0.75, -0.5, -1e-3, 0, 1e-3, 0.25, 0.5, 1, 1.5, 2.5, 7.25];
    private static readonly double[] Positive = [1e-3, 0.25, 0.5, 1, 1.5, 2.5, 7.25, 100];
    private static readonly double[] Unit = [-0.999, -0.5, -0.1, 0, 0.1, 0.5, 0.999];

    public static TheoryData<string> Names => [.. Cases.Keys];

    private static Dictionary<string, (double[] At, Func<torch.Tensor, torch.Tensor> Ours, Func<double, double> Expected)> Cases => new()
    {
        ["abs"] = (All, x => x.abs(), Math.Abs),
        ["acos"] = (Unit, x => x.acos(), Math.Acos),
        ["acosh"] = ([1, 1.5, 2, 10], x => x.acosh(), Math.Acosh),
        ["asin"] = (Unit, x => x.asin(), Math.Asin),
        ["asinh"] = (All, x => x.asinh(), Math.Asinh),
        ["atan"] = (All, x => x.atan(), Math.Atan),
        ["atanh"] = (Unit, x => x.atanh(), Math.Atanh),
        ["ceil"] = (All, x => x.ceil(), Math.Ceiling),
        ["cos"] = (All, x => x.cos(), Math.Cos),
        ["cosh"] = (All, x => x.cosh(), Math.Cosh),
        ["deg2rad"] = (All, x => x.deg2rad(), d => d * Math.PI / 180),
        ["exp"] = (All, x => x.exp(), Math.Exp),
        ["exp2"] = (All, x => x.exp2(), d => Math.Pow(2, d)),
        ["expm1"] = (All, x => x.expm1(), d => Math.Abs(d) < 1e-2 ? d + d * d / 2 + d * d * d / 6 + d * d * d * d / 24 : Math.Exp(d) - 1),
        ["floor"] = (All, x => x.floor(), Math.Floor),
        ["frac"] = (All, x => x.frac(), d => d - Math.Truncate(d)),
        ["log"] = (Positive, x => x.log(), Math.Log),
        ["log10"] = (Positive, x => x.log10(), Math.Log10),
        ["log1p"] = ([-0.5, 0, 0.5, 3], x => x.log1p(), d => Math.Log(1 + d)),
        ["log2"] = (Positive, x => x.log2(), Math.Log2),
        ["neg"] = (All, x => -x, d => -d),
        ["reciprocal"] = (Positive, x => x.reciprocal(), d => 1 / d),
        ["round"] = (All, x => x.round(), d => Math.Round(d, MidpointRounding.ToEven)),
        ["rsqrt"] = (Positive, x => x.rsqrt(), d => 1 / Math.Sqrt(d)),
        ["sigmoid"] = (All, x => x.sigmoid(), d => 1 / (1 + Math.Exp(-d))),
        ["sign"] = (All, x => x.sign(), d => Math.Sign(d)),
        ["sin"] = (All, x => x.sin(), Math.Sin),
        ["sinh"] = (All, x => x.sinh(), Math.Sinh),
        ["sqrt"] = (Positive, x => x.sqrt(), Math.Sqrt),
        ["square"] = (All, x => x.square(), d => d * d),
        ["tan"] = (Unit, x => x.tan(), Math.Tan),
        ["tanh"] = (All, x => x.tanh(), Math.Tanh),
        ["trunc"] = (All, x => x.trunc(), Math.Truncate),
        ["relu"] = (All, x => x.relu(), d => Math.Max(d, 0)),
        ["relu6"] = (All, x => x.relu6(), d => Math.Clamp(d, 0, 6)),
        ["silu"] = (All, x => x.silu(), d => d / (1 + Math.Exp(-d))),
        ["softplus"] = (All, x => x.softplus(), d => Math.Log(1 + Math.Exp(d))),
        ["elu"] = (All, x => x.elu(1.0), d => d > 0 ? d : Math.Exp(d) - 1),
        ["leaky_relu"] = (All, x => x.leaky_relu(0.2), d => d > 0 ? d : 0.2 * d),
        ["hardsigmoid"] = (All, x => x.hardsigmoid(), d => Math.Clamp(d / 6 + 0.5, 0, 1)),
        ["hardswish"] = (All, x => x.hardswish(), d => d * Math.Clamp(d / 6 + 0.5, 0, 1)),
        ["pow"] = (Positive, x => x.pow(1.7), d => Math.Pow(d, 1.7)),
        ["clamp"] = (All, x => x.clamp(-0.6, 1.2), d => Math.Clamp(d, -0.6, 1.2)),
        ["nan_to_num"] = (All, x => (x / 0.0).nan_to_num(3, 5, -5), d => d == 0 ? 3 : Math.Sign(d) * 5),
        ["remainder"] = (All, x => x % 2.0, d => d - 2 * Math.Floor(d / 2)),
        ["fmod"] = (All, x => x.fmod(2.0), d => d % 2),
        ["xlogy"] = (Positive, x => x.xlogy(3.0), d => d * Math.Log(3)),
        ["logit"] = ([0.1, 0.5, 0.9], x => x.logit(), d => Math.Log(d / (1 - d))),
        ["sinc"] = (All, x => x.sinc(), d => d == 0 ? 1 : Math.Sin(Math.PI * d) / (Math.PI * d)),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Function_OnDoubles_MatchesMath(string name)
    {
        using var scope = NewDisposeScope();
        var (at, ours, expected) = Cases[name];
        ours(tensor(at)).ShouldBeClose(at.Select(expected).ToArray(), 1e-14 * 100);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Function_OnSingles_MatchesMathToSingle(string name)
    {
        using var scope = NewDisposeScope();
        var (at, ours, expected) = Cases[name];
        var singles = at.Select(d => (float)d).ToArray();
        ours(tensor(singles)).ShouldBeClose(singles.Select(f => expected(f)).ToArray(), 4e-6);
    }

    [Fact]
    public void Gelu_OfKnownPoints_IsTheExactForm()
    {
        using var scope = NewDisposeScope();
        // x times the normal distribution function, tabulated: Phi(1) = 0.841344746068543, Phi(0.5) = 0.691462461274013.
        tensor(new double[] { -1, -0.5, 0, 0.5, 1 }).gelu()
            .ShouldBeClose([-0.158655253931457, -0.154268769362994, 0, 0.345731230637007, 0.841344746068543], 1e-14);
    }

    [Fact]
    public void ErfAndLgamma_OfKnownPoints_MatchTables()
    {
        using var scope = NewDisposeScope();
        tensor(new double[] { 0, 0.5, 1, 2 }).erf().ShouldBeClose([0, 0.520499877813047, 0.842700792949715, 0.995322265018953], 1e-14);
        tensor(new double[] { 1, 2, 5, 0.5 }).lgamma().ShouldBeClose([0, 0, Math.Log(24), Math.Log(Math.Sqrt(Math.PI))], 1e-14);
        tensor(new double[] { 0.5, 0.842700792949715 }).erfinv().ShouldBeClose([0.476936276204470, 1], 1e-12);
    }

    [Fact]
    public void InPlaceForms_ChangeTheTensorAndReturnIt()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 4, 9 });
        var back = x.sqrt_();
        ReferenceEquals(back, x).ShouldBeTrue();
        x.add_(1).mul_(2.0).sub_(tensor(new double[] { 1, 1, 1 })).div_(3);
        x.ShouldBeClose([1, 5.0 / 3, 7.0 / 3]);
        x.clamp_(1.5, 2).neg_().ShouldBeClose([-1.5, -5.0 / 3, -2]);
        x.zero_().fill_(7).ShouldBeClose([7, 7, 7]);
    }
}
