using Mesh.Models.Layers;
using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Models.Pipelines;

/// <summary>The U-Net for one image of a batch, with everything that stays the same through a run.</summary>
internal sealed class NetworkCall
{
    private readonly UNet _net;
    private readonly Device _device;
    private readonly DenoiseInput _input;
    private readonly int _image;
    private readonly bool _guided;
    private readonly Tensor _context;
    private readonly UNetExtras _extras;

    /// <summary>Puts the image's rows together; with guidance the negative text's first.</summary>
    public NetworkCall(UNet net, Device device, DenoiseInput input, int image, bool guided, double guidance)
    {
        (_net, _device, _input, _image, _guided) = (net, device, input, image, guided);
        var rows = input.Text.Rows(image, 1).To(device, net.Dtype);
        if (guided)
        {
            var negative = input.Negative!.Rows(input.Negative.Count == 1 ? 0 : image, 1).To(device, net.Dtype);
            rows = TextConditioning.Stack([negative, rows]);
        }

        _context = rows.Context;
        _extras = new UNetExtras
        {
            Pooled = rows.Pooled,
            TimeIds = rows.Pooled is null ? null : TimeIds(input, rows.Count).to(device),
            TimestepCond = net.Config.TimeCondProjDim is { } width ? Sinusoid.Guidance([guidance], width).to(device) : null,
        };
    }

    /// <summary>The network's output for the image's state, [1, …]; with guidance [2, …], the negative half first. Float32.</summary>
    public Tensor Predict(Tensor state, double timestep, int step, int steps)
    {
        using var scope = NewDisposeScope();
        var x = _guided ? cat([state, state], 0) : state;
        var t = tensor((float)timestep, device: _device);
        var extras = _extras;
        foreach (var control in _input.Controls)
        {
            if ((double)step / steps >= control.Start && (double)(step + 1) / steps <= control.End)
                extras = Add(extras, Residuals(control, x, t));
        }

        return _net.call(x, t, _context, extras).to(ScalarType.Float32, copy: true).MoveToOuterDisposeScope();
    }

    private ControlNetResiduals Residuals(ControlUse control, Tensor x, Tensor t)
    {
        var positiveOnly = _guided && control.Guess;
        var rows = positiveOnly ? 1 : x.shape[0];
        var first = x.shape[0] - rows;
        var picture = control.Picture.narrow(0, control.Picture.shape[0] == 1 ? 0 : _image, 1).to(_device).expand(rows, -1, -1, -1);
        var extras = _extras with { Pooled = _extras.Pooled?.narrow(0, first, rows), TimeIds = _extras.TimeIds?.narrow(0, first, rows) };
        var residuals = control.Network.Residuals(
            x.narrow(0, first, rows), t, _context.narrow(0, first, rows), picture, control.Scale, control.Guess, extras);

        // In guess mode the negative half runs as if there were no ControlNet.
        return positiveOnly ? new ControlNetResiduals([.. residuals.Down.Select(Behind)], Behind(residuals.Mid)) : residuals;
    }

    private static Tensor Behind(Tensor residual) => cat([residual.mul(0), residual], 0);

    private static UNetExtras Add(UNetExtras extras, ControlNetResiduals more) => extras with
    {
        DownResiduals = extras.DownResiduals is { } down ? [.. down.Zip(more.Down, (a, b) => a.add(b))] : more.Down,
        MidResidual = extras.MidResidual is { } mid ? mid.add(more.Mid) : more.Mid,
    };

    /// <summary>SDXL's sizes: original height and width, no cropping, target height and width.</summary>
    private static Tensor TimeIds(DenoiseInput input, int rows)
    {
        float[] row = [input.Height, input.Width, 0, 0, input.Height, input.Width];
        return tensor(Enumerable.Repeat(row, rows).SelectMany(r => r).ToArray(), [rows, row.Length]);
    }
}
