using TorchSharp;
using static Mesh.TorchSharp.Tests.Nn.Numbers;
using static TorchSharp.torch.nn;

namespace Mesh.TorchSharp.Tests.Nn;

public sealed class ConvolutionTests
{
    public static TheoryData<int, int, int, int, int, int> Geometries => new()
    {
        { 3, 1, 1, 1, 4, 6 },
        { 3, 2, 1, 1, 4, 6 },
        { 1, 1, 0, 1, 4, 6 },
        { 3, 1, 2, 2, 4, 6 },
        { 5, 3, 2, 1, 4, 6 },
        { 4, 2, 1, 1, 4, 6 },
    };

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Conv2d_OfAnyGeometry_MatchesLoops(int kernel, int stride, int padding, int dilation, int channels, int outputs)
    {
        foreach (var groups in new[] { 1, 2 })
        {
            var g = new Reference.Geometry(2, channels, 9, 11, outputs, kernel, stride, padding, dilation, groups);
            using var conv = Conv2d(channels, outputs, kernel, stride, padding, dilation, groups: groups);
            using var x = Wave([2, channels, 9, 11]);
            var expected = Reference.Conv2d(Values(x), Values(conv.weight), Values(conv.bias!), g);
            using var y = conv.call(x);
            y.shape.ShouldBe([2, outputs, g.OutHeight, g.OutWidth]);
            y.ShouldBeClose(expected);
            using var mode = torch.inference_mode();
            using var again = conv.call(x);
            again.ShouldBeClose(expected);
            using var once = functional.conv2d(x, conv.weight, conv.bias, [stride, stride], [padding, padding], [dilation, dilation], groups);
            once.ShouldBeClose(expected);
        }
    }

    [Fact]
    public void Conv2d_WithPaddingSame_KeepsTheSize()
    {
        using var conv = Conv2d(2, 3, 3, Padding.Same, bias: false);
        using var x = Wave([1, 2, 5, 7]);
        using var y = conv.call(x);
        y.ShouldBeClose(Reference.Conv2d(Values(x), Values(conv.weight), null, new(1, 2, 5, 7, 3, 3, 1, 1)));
    }

    [Theory]
    [InlineData(PaddingModes.Reflect)]
    [InlineData(PaddingModes.Replicate)]
    [InlineData(PaddingModes.Circular)]
    public void Conv2d_WithPaddingMode_EqualsPaddingFirst(PaddingModes mode)
    {
        using var conv = Conv2d(2, 3, 3, padding: 1, padding_mode: mode);
        using var x = Wave([1, 2, 5, 7]);
        using var padded = functional.pad(x, [1L, 1, 1, 1], mode);
        using var y = conv.call(x);
        y.ShouldBeClose(Reference.Conv2d(Values(padded), Values(conv.weight), Values(conv.bias!), new(1, 2, 7, 9, 3, 3)));
    }

    [Fact]
    public void ConvTranspose2d_OfStrideTwo_MatchesLoops()
    {
        using var conv = ConvTranspose2d(3, 2, 4, stride: 2, padding: 1);
        using var x = Wave([2, 3, 4, 5]);
        using var y = conv.call(x);
        // In the mirrored convolution the roles of the channels are exchanged; its weight is the transposed one's as it stands.
        y.ShouldBeClose(Reference.ConvTranspose2d(Values(x), Values(conv.weight), Values(conv.bias!), new(2, 2, 8, 10, 3, 4, 2, 1)));
        using var larger = conv.forward(x, [9, 11]);
        larger.shape.ShouldBe([2, 2, 9, 11]);
        Should.Throw<ArgumentException>(() => conv.forward(x, [13, 11]));
    }

    [Fact]
    public void Conv1d_EqualsConv2dOfOneRow()
    {
        using var conv = Conv1d(2, 4, 3, padding: 1);
        using var x = Wave([2, 2, 8]);
        using var y = conv.call(x);
        using var scope = torch.NewDisposeScope();
        var wide = functional.conv2d(x.unsqueeze(2), conv.weight.unsqueeze(2), conv.bias, padding: [0, 1]);
        y.ShouldBeClose(wide.squeeze(2));
    }

    [Fact]
    public void Conv3d_OfAFlatKernel_EqualsConv2dOfEachSlice()
    {
        using var conv = Conv3d(2, 3, (1, 3, 3), padding: (0, 1, 1));
        using var x = Wave([1, 2, 2, 5, 4]);
        using var y = conv.call(x);
        using var scope = torch.NewDisposeScope();
        var slice = functional.conv2d(x.select(2, 1), conv.weight.squeeze(2), conv.bias, padding: [1, 1]);
        y.select(2, 1).ShouldBeClose(slice);
    }

    [Fact]
    public void Convolutions_OfWrongChannels_Fail()
    {
        Should.Throw<ArgumentException>(() => Conv2d(3, 4, 3, groups: 2));
        using var conv = Conv2d(3, 4, 3);
        using var x = torch.ones(1, 2, 5, 5);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => conv.call(x));
    }

    [Fact]
    public void WeightChanged_AfterInference_IsSeenByTheNextCall()
    {
        using var conv = Conv2d(8, 8, 3, padding: 1);
        using var x = Wave([1, 8, 10, 10]);
        var g = new Reference.Geometry(1, 8, 10, 10, 8, 3, 1, 1);
        void Check()
        {
            using var mode = torch.inference_mode();
            for (var i = 0; i < 3; i++)
            {
                using var y = conv.call(x);
                y.ShouldBeClose(Reference.Conv2d(Values(x), Values(conv.weight), Values(conv.bias!), g));
            }
        }

        Check();
        using (torch.no_grad()) conv.weight.mul_(2);
        Check();
        using (torch.no_grad()) conv.bias!.add_(1);
        Check();
        conv.weight = Parameter(Wave([8, 8, 3, 3], 2));
        Check();
        using var other = Conv2d(8, 8, 3, padding: 1);
        conv.load_state_dict(other.state_dict());
        Check();
        conv.to(torch.ScalarType.Float64);
        conv.to(torch.ScalarType.Float32);
        Check();
    }

    [Fact]
    public void WeightChanged_ByAnOptimizerBetweenInferences_IsSeen()
    {
        using var linear = Linear(4, 4);
        using var x = Wave([3, 4]);
        using var optimizer = torch.optim.SGD(linear.parameters(), 0.5);
        for (var i = 0; i < 3; i++)
        {
            using (torch.no_grad())
            using (var y = linear.call(x))
            using (var expected = x.matmul(linear.weight.t()) + linear.bias!) y.ShouldBeClose(expected);
            optimizer.zero_grad();
            using (var loss = linear.call(x).pow(2).sum()) loss.backward();
            optimizer.step();
        }
    }
}
