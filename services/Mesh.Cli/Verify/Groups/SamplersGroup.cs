using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Models.Recipes;
using Mesh.Models.Samplers;
using static TorchSharp.torch;

namespace Mesh.Cli.Verify.Groups;

/// <summary>Schedules, timesteps, sigmas and trajectories of every sampler, with a synthetic network.</summary>
public sealed partial class SamplersGroup : IGoldenGroup
{
    private const string Model = "0.95*x*sin(t/640) + 0.1*sin(3*x) + 0.05, float64, rounded to float32";
    private const string EmptyModel = "0.6*(velocity_text) + 0.2*cos(2*x), float64, rounded to float32";

    /// <inheritdoc/>
    public string Name => "samplers";

    /// <inheritdoc/>
    public IEnumerable<Check> Run(GoldenCase golden)
    {
        golden.Knows("about");
        if (golden.Has("velocity_text"))
            return Flow(golden);
        return golden.Has("predictions") ? Family(golden) : Schedule(golden);
    }

    private static IEnumerable<Check> Family(GoldenCase golden)
    {
        golden.Knows("noise", "start", "steps", "timestep_lists", "predictions");
        Expect(golden, "model", Model);
        var name = ClassName().Match(golden.Field("about").GetString()!);
        if (!name.Success)
            throw new FormatException("the case does not say which scheduler it is of");
        var config = SchedulerConfig.FromJson(name.Groups[1].Value, golden.Field("config"));
        var arguments = golden.Field("step_arguments").Only("step_arguments", "eta");
        if (arguments.TryGetProperty("eta", out var eta))
            config = config with { Eta = eta.GetDouble() };
        foreach (var tensor in golden.TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal) && n.EndsWith(".x", StringComparison.Ordinal)).ToArray())
        {
            var parts = tensor.Split('.');
            var plan = Plan(config with { Prediction = PredictionOf(parts[2]) }, parts[1]);
            yield return Steps(golden, $"out.{parts[1]}.timesteps", [.. plan.Steps.Select(s => s.Timestep)]);
            if (golden.HasTensor($"out.{parts[1]}.sigmas"))
                yield return Steps(golden, $"out.{parts[1]}.sigmas", [.. plan.Sigmas]);
            foreach (var check in Path(golden, tensor, plan, Network))
                yield return check;
        }
    }

    private static IEnumerable<Check> Flow(GoldenCase golden)
    {
        golden.Knows("steps", "guidance");
        Expect(golden, "velocity_text", Model);
        Expect(golden, "velocity_empty", EmptyModel);
        foreach (var tensor in golden.TensorNames.Where(n => n.StartsWith("out.", StringComparison.Ordinal) && n.EndsWith(".x", StringComparison.Ordinal)).ToArray())
        {
            var match = FlowName().Match(tensor);
            var plan = SamplerPlan.Create(new SchedulerConfig { Kind = SamplerKind.RectifiedFlow }, int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
            var weight = double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture);
            yield return Steps(golden, $"out.{match.Groups[1].Value}.timesteps", [.. plan.Steps.Select(s => s.Timestep)]);
            foreach (var check in Path(golden, tensor, plan, (x, t) => Guided(x, t, weight)))
                yield return check;
        }
    }

    private static IEnumerable<Check> Schedule(GoldenCase golden)
    {
        golden.Knows("steps");
        var at = golden.Field("timesteps").EnumerateArray().Select(t => t.GetInt32()).ToArray();
        var options = golden.Field("config");
        var config = SchedulerConfig.FromJson("DDIMScheduler", options);
        var schedule = new NoiseSchedule(config);
        yield return Steps(golden, "out.betas", [.. at.Select(t => (double)schedule.Betas[t])]);
        yield return Steps(golden, "out.alphas_cumprod", [.. at.Select(schedule.Alpha)]);
        yield return Steps(golden, "out.sigmas", [.. at.Select(t => schedule.Sigma(t))]);
        yield return Steps(golden, "out.alphas_cumprod_zero_snr", [.. at.Select(new NoiseSchedule(config with { ZeroTerminalSnr = true }).Alpha)]);
        foreach (var name in golden.TensorNames.Where(n => GridName().IsMatch(n)).Order(StringComparer.Ordinal).ToArray())
        {
            var parts = name.Split('.');
            var className = parts[1] switch
            {
                "ddim" => "DDIMScheduler",
                "euler" => "EulerDiscreteScheduler",
                "dpm" => "DPMSolverMultistepScheduler",
                _ => "LCMScheduler",
            };
            var grid = SchedulerConfig.FromJson(className, options) with { StepsOffset = 1 };
            if (parts.Length == 4)
                grid = grid with { Spacing = Enum.Parse<TimestepSpacing>(parts[2], ignoreCase: true) };
            var plan = SamplerPlan.Create(grid, int.Parse(parts[^1], CultureInfo.InvariantCulture));
            yield return Steps(golden, name, [.. plan.Steps.Select(s => s.Timestep)]);
        }
    }

    /// <summary>All states of a run against those stored: each by itself, as the noise floor is stated.</summary>
    private static IEnumerable<Check> Path(GoldenCase golden, string name, SamplerPlan plan, Func<Tensor, double, Tensor> network)
    {
        using var start = golden.Input("in.x");
        using var noise = golden.HasTensor("in.noise") ? golden.Input("in.noise") : null;
        using var expected = golden.Read(name);
        using var run = new SamplerRun(plan, start);
        yield return State(golden, name, run, expected);
        while (!run.Done)
        {
            using (NewDisposeScope())
            {
                var fresh = run.Step.Noise == 0 ? null : noise![run.Index];
                run.Advance(network(run.Input(), run.Step.Timestep), fresh);
            }

            yield return State(golden, name, run, expected);
        }
    }

    private static Check State(GoldenCase golden, string name, SamplerRun run, Tensor expected)
    {
        using var state = expected[run.Index];
        return Check.Tensors($"{name}[{run.Index}]", run.State, state, Check.Allowed(golden.NoiseFloor, CheckKind.Layer));
    }

    private static Check Steps(GoldenCase golden, string name, double[] values)
    {
        using var scope = NewDisposeScope();
        using var expected = golden.Read(name);
        var actual = tensor(values, [values.Length]);
        return expected.is_floating_point()
            ? golden.Compare(name, actual, CheckKind.Layer)
            : Check.Tensors(name, actual.round().to(ScalarType.Int64), expected, 0);
    }

    private static Tensor Network(Tensor x, double t)
    {
        using var scope = NewDisposeScope();
        return Text(x.to(ScalarType.Float64), t).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private static Tensor Guided(Tensor x, double t, double weight)
    {
        using var scope = NewDisposeScope();
        var wide = x.to(ScalarType.Float64);
        var text = Text(wide, t).to(ScalarType.Float32);
        if (!Guidance.IsActive(weight))
            return text.MoveToOuterDisposeScope();
        var empty = Text(wide, t).mul(0.6).add(wide.mul(2).cos().mul(0.2)).to(ScalarType.Float32);
        return Guidance.Combine(empty, text, weight).MoveToOuterDisposeScope();
    }

    private static Tensor Text(Tensor x, double t) => x.mul(0.95 * Math.Sin(t / 640)).add(x.mul(3).sin().mul(0.1)).add(0.05);

    private static void Expect(GoldenCase golden, string field, string value)
    {
        if (golden.Field(field).ValueKind != JsonValueKind.String || golden.Field(field).GetString() != value)
            throw new FormatException($"{field} is another network than the one that is known");
    }

    private static SamplerPlan Plan(SchedulerConfig config, string key) => key.StartsWith("list_", StringComparison.Ordinal)
        ? SamplerPlan.Create(config, [.. key["list_".Length..].Split('_').Select(t => double.Parse(t, CultureInfo.InvariantCulture))])
        : SamplerPlan.Create(config, int.Parse(key, CultureInfo.InvariantCulture));

    private static Prediction PredictionOf(string name) => name switch
    {
        "epsilon" => Prediction.Epsilon,
        "v_prediction" or "velocity" => Prediction.Velocity,
        "sample" => Prediction.Sample,
        _ => throw new FormatException($"the prediction {name} is not known"),
    };

    [GeneratedRegex(@"^diffusers (\w+):")]
    private static partial Regex ClassName();

    [GeneratedRegex(@"^out\.(\d+)\.w([\d.]+)\.x$")]
    private static partial Regex FlowName();

    [GeneratedRegex(@"^out\.(ddim|euler|dpm|lcm)\.")]
    private static partial Regex GridName();
}
