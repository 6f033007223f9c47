using Mesh.Models.Networks;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>ControlNets: their residuals, and what a U-Net makes of them.</summary>
public sealed class ControlNetGroup : IGoldenGroup
{
    /// <inheritdoc/>
    public string Name => "controlnet";

    /// <inheritdoc/>
    public bool ComputesInBFloat16 => true;

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        using var inference = inference_mode();
        using var run = new Case(golden);
        foreach (var check in run.Checks())
            yield return check;
    }

    private sealed class Case : IDisposable
    {
        private readonly GoldenCase _golden;
        private readonly UNet _net;
        private readonly List<ControlNet> _controls = [];
        private readonly Tensor _sample;
        private readonly Tensor _times;
        private readonly Tensor _context;
        private readonly Tensor _image;
        private readonly UNetExtras _extras;
        private readonly double _scale;

        public Case(GoldenCase golden)
        {
            _golden = golden;
            var weights = golden.Field("weights").Only("weights", "unet_prefix", "prefix", "second_prefix", "gain", "shapes");
            _net = GoldenNetworks.Fill(golden, new UNet(UNetConfig.FromJson(golden.Field("unet_config"))), weights.Text("unet_prefix") ?? "");
            _sample = golden.Input("in.sample");
            _times = GoldenNetworks.Timestep(golden.Field("timestep"));
            _context = golden.Input("in.context");
            _image = golden.Read("in.image").to(ScalarType.Float32) / 255;
            _extras = UNetGroup.Extras(golden, _sample.shape[0]);
            _scale = golden.Field("conditioning_scale").GetDouble();
        }

        public IEnumerable<Check> Checks()
        {
            var first = Load("prefix");
            yield return GoldenNetworks.Keys("keys", first, _golden.Field("weights").GetProperty("shapes").Shapes());
            using var embedding = first.EmbedPicture(_image.narrow(0, 0, 1));
            yield return _golden.Compare("out.embedding", embedding, CheckKind.Network);

            // The residuals, and the U-Net without and with them.
            var one = first.Residuals(_sample, _times, _context, _image, _scale, extras: _extras);
            for (var k = 0; k < one.Down.Count; k++)
                yield return _golden.Compare($"out.down.{k}", one.Down[k], CheckKind.Network);
            yield return _golden.Compare("out.mid", one.Mid, CheckKind.Network);
            yield return Compare("out.unet_plain", null);
            yield return Compare("out.unet", one);

            // Two ControlNets, other options.
            var two = Load("second_prefix").Residuals(_sample, _times, _context, _image, _golden.Field("second_scale").GetDouble(), extras: _extras);
            yield return Compare("out.unet_two", new ControlNetResiduals([.. one.Down.Zip(two.Down, (a, b) => a + b)], one.Mid + two.Mid));
            var bgr = Load("prefix", "controlnet_conditioning_channel_order", "bgr");
            yield return Compare("out.unet_bgr", bgr.Residuals(_sample, _times, _context, _image, _scale, extras: _extras));
            var pooled = Load("prefix", "global_pool_conditions", true);
            yield return Compare("out.unet_pooled", pooled.Residuals(_sample, _times, _context, _image, _scale, extras: _extras));
            foreach (var check in Guess(first))
                yield return check;
        }

        public void Dispose()
        {
            _net.Dispose();
            _controls.ForEach(c => c.Dispose());
        }

        // Guess mode: the conditional half alone, early residuals weakened.
        private IEnumerable<Check> Guess(ControlNet control)
        {
            Tensor Last(Tensor t) => t.narrow(0, 1, 1);
            var half = new UNetExtras
            {
                Pooled = _extras.Pooled is { } pooled ? Last(pooled) : null,
                TimeIds = _extras.TimeIds is { } ids ? Last(ids) : null,
            };
            var guess = control.Residuals(Last(_sample), _times, Last(_context), Last(_image), _scale, guess: true, half);
            var factors = ControlNet.GuessFactors(guess.Down.Count);
            yield return Check.Numbers("guess_factors", factors, _golden.Field("guess_factors").Doubles(), Check.Allowed(null, CheckKind.Layer));
            yield return _golden.Compare("out.guess_down_0", guess.Down[0], CheckKind.Network);
            yield return _golden.Compare("out.guess_mid", guess.Mid, CheckKind.Network);
            Tensor ZeroFirst(Tensor t) => cat([zeros_like(t), t], 0);
            yield return Compare("out.unet_guess", new ControlNetResiduals([.. guess.Down.Select(ZeroFirst)], ZeroFirst(guess.Mid)));
        }

        private Check Compare(string name, ControlNetResiduals? residuals)
        {
            using var result = _net.call(_sample, _times, _context, _extras with { DownResiduals = residuals?.Down, MidResidual = residuals?.Mid });
            return _golden.Compare(name, result, CheckKind.Network);
        }

        private ControlNet Load(string prefixField, string? option = null, System.Text.Json.Nodes.JsonNode? value = null)
        {
            var weights = _golden.Field("weights");
            var config = _golden.Field("config");
            if (option is not null)
                config = GoldenNetworks.With(config, option, value!);
            var control = GoldenNetworks.Fill(
                _golden, new ControlNet(ControlNetConfig.FromJson(config)), weights.Text(prefixField) ?? "", GoldenNetworks.Gain(weights));
            _controls.Add(control);
            return control;
        }
    }
}
