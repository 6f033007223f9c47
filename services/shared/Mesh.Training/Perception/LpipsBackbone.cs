using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Training.Perception;

/// <summary>Which classifier LPIPS looks through.</summary>
public enum LpipsNetwork
{
    /// <summary>AlexNet, small and quick.</summary>
    Alex,

    /// <summary>VGG16.</summary>
    Vgg,
}

/// <summary>The convolutions of a classifier under torchvision's names, <c>features.N</c>, cut at five places.</summary>
internal sealed class LpipsBackbone : Module
{
    private static readonly int[] AlexTaps = [1, 4, 7, 9, 11];
    private static readonly int[] VggTaps = [3, 8, 15, 22, 29];
    private static readonly int[] VggWidths = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512];

    private readonly int[] _taps;
    [ComponentName(Name = "features")] private readonly ModuleList<Module<Tensor, Tensor>> _layers;

    public LpipsBackbone(LpipsNetwork network)
        : base(nameof(LpipsBackbone))
    {
        var alex = network == LpipsNetwork.Alex;
        _taps = alex ? AlexTaps : VggTaps;
        Widths = alex ? [64, 192, 384, 256, 256] : [64, 128, 256, 512, 512];
        _layers = alex ? Alex() : Vgg();
        RegisterComponents();
    }

    /// <summary>Channels of each tap.</summary>
    public int[] Widths { get; }

    /// <summary>The five feature maps of pictures that are scaled already.</summary>
    /// <param name="x">[B, 3, H, W].</param>
    public List<Tensor> Taps(Tensor x)
    {
        var taps = new List<Tensor>(_taps.Length);
        for (var i = 0; i <= _taps[^1]; i++)
        {
            x = _layers[i].call(x);
            if (_taps.Contains(i))
                taps.Add(x);
        }

        return taps;
    }

    private static ModuleList<Module<Tensor, Tensor>> Alex() => ModuleList<Module<Tensor, Tensor>>(
        Conv2d(3, 64, 11, stride: 4, padding: 2), ReLU(), MaxPool2d(3, stride: 2),
        Conv2d(64, 192, 5, padding: 2), ReLU(), MaxPool2d(3, stride: 2),
        Conv2d(192, 384, 3, padding: 1), ReLU(),
        Conv2d(384, 256, 3, padding: 1), ReLU(),
        Conv2d(256, 256, 3, padding: 1), ReLU());

    private static ModuleList<Module<Tensor, Tensor>> Vgg()
    {
        var layers = new List<Module<Tensor, Tensor>>();
        var input = 3;
        foreach (var width in VggWidths)
        {
            if (width == 0)
            {
                layers.Add(MaxPool2d(2, stride: 2));
                continue;
            }

            layers.AddRange([Conv2d(input, width, 3, padding: 1), ReLU()]);
            input = width;
        }

        return ModuleList(layers.ToArray());
    }
}
