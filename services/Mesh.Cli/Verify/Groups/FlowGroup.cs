using System.Globalization;
using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Noise;
using Mesh.Training.Flow;
using Mesh.Training.Optimisation;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Training of flows: losses with their gradients, straightness, AdamW, moving averages, progressive targets, times.</summary>
public sealed class FlowGroup : IGoldenGroup
{
    private const double DiffusionBetaStart = 0.00085;
    private const double DiffusionBetaEnd = 0.012;
    private const int DiffusionSteps = 1000;

    /// <inheritdoc/>
    public string Name => "flow";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("about", "tolerances", "tau", "unsettled", "teacher", "exact");
        if (golden.Has("plans"))
            return golden.Field("models").TryGetProperty("state_dict", out _) ? LinearPlans(golden) : NetworkPlans(golden);
        if (golden.Has("huber_norm_k"))
            return Distillation(golden);
        if (golden.Has("steps"))
            return Straightness(golden);
        if (golden.Has("decays"))
            return Averages(golden);
        if (golden.Has("triples"))
            return Progressive(golden);
        if (golden.Has("seeds"))
            return Times(golden);
        return golden.HasTensor("out.x_tau") ? Reflow(golden) : throw new FormatException("a case of another form");
    }

    private static Check Compare(GoldenCase golden, string name, Tensor actual, CheckKind kind = CheckKind.Network)
    {
        var tolerances = golden.Json.GetProperty("tolerances");
        var noise = tolerances.TryGetProperty(name, out var own) ? own.GetDouble() : golden.NoiseFloor;
        return golden.Compare("out." + name, actual, Check.Allowed(noise, kind));
    }

    private static UNet Network(GoldenCase golden)
    {
        var models = golden.Field("models").Only("models", "family", "component", "see", "prefix");
        using var referred = golden.Refer(models.GetProperty("see").GetString()!);
        var described = referred.Json.GetProperty("models").GetProperty(models.GetProperty("component").GetString()!);
        var net = BlankNetwork.Make(device => new UNet(UNetConfig.FromJson(described.GetProperty("config")), device));
        return GoldenNetworks.Fill(golden, net, models.GetProperty("prefix").GetString()!);
    }

    private static Tensor ReflowLoss(UNet net, Tensor x0, Tensor x1, Tensor text, Tensor tau, Action<string, Tensor>? seen = null)
    {
        var state = FlowPath.At(x0, x1, tau);
        var time = FlowPath.UNetTime(tau);
        var velocity = net.call(state, time, text, null);
        var each = Distances.Squared(FlowPath.Velocity(x0, x1) - velocity);
        seen?.Invoke("x_tau", state);
        seen?.Invoke("t_unet", time);
        seen?.Invoke("velocity", velocity);
        seen?.Invoke("loss_per_sample", each);
        return each.mean();
    }

    private static List<Check> Reflow(GoldenCase golden)
    {
        var checks = new List<Check>();
        using var net = Network(golden);
        var loss = ReflowLoss(
            net, golden.Input("in.x0"), golden.Input("in.x1"), golden.Input("in.text"), golden.Input("in.tau"),
            (name, value) => checks.Add(Compare(golden, name, value)));
        checks.Add(Compare(golden, "loss", loss));
        loss.backward();
        checks.AddRange(Gradients(golden, net, "grad"));
        return checks;
    }

    private static IEnumerable<Check> Gradients(GoldenCase golden, UNet net, string label)
    {
        var gradients = net.named_parameters().ToDictionary(p => p.Item1, p => p.Item2.grad!, StringComparer.Ordinal);
        var prefix = $"out.{label}.";
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith(prefix, StringComparison.Ordinal) && n != prefix + "norm").ToArray())
            yield return Compare(golden, name["out.".Length..], gradients[name[prefix.Length..]]);
        using var norm = stack(gradients.Values.Select(g => g.to(ScalarType.Float64).square().sum())).sum().sqrt().to(ScalarType.Float32);
        yield return Compare(golden, label + ".norm", norm);
    }

    private static List<Check> Distillation(GoldenCase golden)
    {
        var checks = new List<Check>();
        using var net = Network(golden);
        using var x0 = golden.Input("in.x0");
        using var x1 = golden.Input("in.x1");
        using var text = golden.Input("in.text");
        var k = golden.Field("huber_norm_k").GetDouble();
        var c = golden.Field("huber_element_c").GetDouble();
        checks.Add(Check.Numbers("huber_norm_k", [Distances.NormScale(x0)], [k], 1e-9));
        (string Name, Func<Tensor, Tensor> Of)[] losses =
            [("l2", Distances.Squared), ("huber_norm", d => Distances.HuberOfNorm(d, k)), ("huber_element", d => Distances.HuberOfElements(d, c))];
        foreach (var (name, of) in losses)
        {
            net.zero_grad();
            var guess = FlowPath.OneStep(x0, net.call(x0, full(x0.shape[0], (float)FlowPath.UNetSpan), text, null));
            if (name == losses[0].Name)
                checks.Add(Compare(golden, "guess", guess));
            var loss = of(guess - x1).mean();
            checks.Add(Compare(golden, "loss." + name, loss));
            loss.backward();
            checks.AddRange(Gradients(golden, net, "grad." + name));
        }

        return checks;
    }

    private static IEnumerable<Check> Straightness(GoldenCase golden)
    {
        using var net = Network(golden);
        using var x0 = golden.Input("in.x0");
        using var text = golden.Input("in.text");
        foreach (var steps in golden.Field("steps").Longs())
        {
            using var run = EulerPath.Run(x0, (int)steps, (z, t) => net.call(z, t, text, null));
            yield return Compare(golden, $"z1.{steps}", run.End);
            if (steps == 1)
            {
                yield return Check.That("one step is straight", run.Straightness.max().item<float>() < 1e-9);
                continue;
            }

            yield return Compare(golden, $"s_per_sample.{steps}", run.Straightness);
            yield return Compare(golden, $"s.{steps}", run.Straightness.mean());
        }
    }

    private static IEnumerable<Check> LinearPlans(GoldenCase golden)
    {
        var models = golden.Field("models").Only("models", "prefix", "state_dict");
        var shape = models.GetProperty("state_dict").Shapes()["weight"];
        using var x = golden.Input("in.x");
        using var y = golden.Input("in.y");
        using var scale = golden.Input("in.scale");
        foreach (var plan in golden.Field("plans").EnumerateObject())
        {
            using var net = GoldenNetworks.Fill(golden, Linear(shape[1], shape[0]), models.GetProperty("prefix").GetString()!);
            foreach (var check in Plan(golden, net, plan, x.shape[0], i => (scale[i] * (net.call(x[i]) - y[i]).square()).mean()))
                yield return check;
        }
    }

    private static IEnumerable<Check> NetworkPlans(GoldenCase golden)
    {
        using var x0 = golden.Input("in.x0");
        using var x1 = golden.Input("in.x1");
        using var text = golden.Input("in.text");
        using var tau = golden.Input("in.tau");
        foreach (var plan in golden.Field("plans").EnumerateObject())
        {
            using var net = Network(golden);
            foreach (var check in Plan(golden, net, plan, x0.shape[0], i => ReflowLoss(net, x0[i], x1[i], text[i], tau[i])))
                yield return check;
        }
    }

    private static List<Check> Plan(GoldenCase golden, Module net, JsonProperty plan, long steps, Func<long, Tensor> lossOf)
    {
        plan.Value.Only("plans." + plan.Name, "schedule", "warmup", "lr");
        var rate = new LearningRate(plan.Value.GetProperty("lr").GetDouble(), plan.Value.GetProperty("warmup").GetInt64());
        var start = net.named_parameters().ToDictionary(p => p.Item1, p => p.Item2.detach().clone(), StringComparer.Ordinal);
        using var optimiser = new Optimiser(net.named_parameters().Select(p => (p.Item1, p.Item2)), new OptimiserConfig());
        var (losses, norms, rates) = (new float[steps], new float[steps], new float[steps]);
        for (var i = 0; i < steps; i++)
        {
            using var scope = NewDisposeScope();
            var loss = lossOf(i);
            loss.backward();
            rates[i] = (float)rate.At(i);
            norms[i] = (float)optimiser.Step(rate.At(i));
            losses[i] = loss.item<float>();
        }

        List<Check> checks = [Compare(golden, plan.Name + ".loss", tensor(losses)), Compare(golden, plan.Name + ".norm", tensor(norms))];
        if (golden.HasTensor($"out.{plan.Name}.rate"))
            checks.Add(Compare(golden, plan.Name + ".rate", tensor(rates), CheckKind.Layer));
        var prefix = $"out.{plan.Name}.delta.";
        var now = net.named_parameters().ToDictionary(p => p.Item1, p => p.Item2, StringComparer.Ordinal);
        foreach (var name in golden.TensorNames.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).ToArray())
            checks.Add(Compare(golden, name["out.".Length..], now[name[prefix.Length..]].detach() - start[name[prefix.Length..]]));
        return checks;
    }

    private static IEnumerable<Check> Averages(GoldenCase golden)
    {
        using var rows = golden.Input("in.params");
        foreach (var decay in golden.Field("decays").Doubles())
        {
            foreach (var ramped in new[] { false, true })
            {
                var law = new EmaDecay(decay, ramped);
                var name = $"{(ramped ? "ramped" : "plain")}.{decay.ToString(CultureInfo.InvariantCulture)}";
                using var value = rows[0].clone();
                using var ema = new Ema([new("value", value)], law);
                var states = new List<Tensor>();
                for (var i = 1; i < rows.shape[0]; i++)
                {
                    value.copy_(rows[i]);
                    ema.Update();
                    states.Add(ema.Averages["value"].clone());
                }

                yield return Compare(golden, name, stack(states), CheckKind.Layer);
                if (ramped)
                    yield return Compare(golden, name + ".decays", tensor(states.Select((_, i) => (float)law.At(i + 1)).ToArray()), CheckKind.Layer);
            }
        }
    }

    private static IEnumerable<Check> Progressive(GoldenCase golden)
    {
        var schedule = new Mesh.Models.Samplers.NoiseSchedule(new()
        {
            Kind = Mesh.Models.Samplers.SamplerKind.Ddim, TrainTimesteps = DiffusionSteps, BetaStart = DiffusionBetaStart, BetaEnd = DiffusionBetaEnd, ScaledBetas = true,
        });
        using var z = golden.Read("in.z").to(ScalarType.Float64);
        foreach (var triple in golden.Field("triples").EnumerateArray())
        {
            var times = triple.EnumerateArray().Select(t => t.ValueKind == JsonValueKind.Null ? (int?)null : t.GetInt32()).ToArray();
            var points = times.Select(t => t is { } at ? DiffusionPoint.OfAlpha(schedule.Alpha(at)) : DiffusionPoint.Picture).ToArray();
            var key = string.Join("_", times.Select(t => t?.ToString(CultureInfo.InvariantCulture) ?? "end"));
            var middle = ProgressiveTarget.Step(z, Teacher(z, times[0]!.Value), points[0], points[1]);
            var end = ProgressiveTarget.Step(middle, Teacher(middle, times[1]!.Value), points[1], points[2]);
            var picture = ProgressiveTarget.Picture(z, end, points[0], points[2]);
            yield return Compare(golden, key + ".z_mid", middle, CheckKind.Layer);
            yield return Compare(golden, key + ".z_end", end, CheckKind.Layer);
            yield return Compare(golden, key + ".target_x", picture, CheckKind.Layer);
            yield return Compare(golden, key + ".target_eps", ProgressiveTarget.Epsilon(z, picture, points[0]), CheckKind.Layer);
            yield return Compare(golden, key + ".target_v", ProgressiveTarget.Velocity(z, picture, points[0]), CheckKind.Layer);
            var landed = ProgressiveTarget.Step(z, ProgressiveTarget.Epsilon(z, picture, points[0]), points[0], points[2]);
            yield return Check.Tensors(key + " lands", landed, end, Check.Allowed(null, CheckKind.Layer));
        }
    }

    // What takes the network's place in the case, as its `teacher` says.
    private static Tensor Teacher(Tensor x, int t) => (0.95 * x * Math.Sin(t / 640.0)) + (0.1 * (3 * x).sin()) + 0.05;

    private static IEnumerable<Check> Times(GoldenCase golden)
    {
        foreach (var seed in golden.Field("seeds").Longs())
        {
            Tensor Draw(FlowTimes times, int count) => times.Draw(new TorchGenerator(seed), count);
            Check Exact(string name, Tensor actual) => golden.Compare($"out.{seed}.{name}", actual, 0.0);
            Check Near(string name, Tensor actual) => golden.Compare($"out.{seed}.{name}", actual, CheckKind.Layer);
            using var stored = golden.Read($"out.{seed}.uniform");
            var count = (int)stored.numel();
            var uniform = Draw(new FlowTimes(TimeLaw.Uniform), count);
            yield return Exact("uniform", uniform);
            yield return Near("uniform_eps", Draw(new FlowTimes(TimeLaw.Uniform, Least: 1e-3), count));
            yield return Near("t_unet", FlowPath.UNetTime(uniform));
            yield return Near("logit_normal", Draw(new FlowTimes(TimeLaw.LogitNormal), count));
            yield return Exact("k4", Draw(new FlowTimes(TimeLaw.Steps, Steps: 4), count));
            yield return Exact("stratified", Draw(new FlowTimes(TimeLaw.Stratified), count));
            var integers = new long[count];
            new TorchGenerator(seed).Integers(0, DiffusionSteps, integers);
            yield return Exact("integers_1000", tensor(integers));
            using var noise = golden.Read($"out.{seed}.stream.noise");
            var stream = new TorchGenerator(seed);
            var normals = new float[noise.numel()];
            stream.Normals(normals);
            yield return Near("stream.noise", tensor(normals).reshape(noise.shape));
            using var after = golden.Read($"out.{seed}.stream.tau");
            yield return Exact("stream.tau", new FlowTimes(TimeLaw.Uniform).Draw(stream, (int)after.numel()));
        }
    }
}
