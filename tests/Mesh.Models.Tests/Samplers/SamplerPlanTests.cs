using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Models.Samplers;
using Mesh.Testing;

namespace Mesh.Models.Tests.Samplers;

/// <summary>Timesteps, sigmas and trajectories of the reference's schedulers with a synthetic network, computed here on plain numbers.</summary>
public sealed partial class SamplerPlanTests
{
    // A sum of a few float32 products against the reference's: its own noise floor times ten, or this.
    private const double LayerTolerance = 1e-5;

    public static TheoryData<string> Families() =>
    [
        .. Directory.GetFiles(Repository.PathOf("tests", "goldens", "samplers"), "*.json").Select(f => System.IO.Path.GetFileNameWithoutExtension(f))
            .Where(n => n is not ("schedule" or "instaflow")).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Families))]
    public void Create_GoldenFamily_TakesTheReferencesPath(string name)
    {
        var golden = GoldenTensors.Read("samplers", name);
        using var json = GoldenTensors.ReadJson("samplers", name);
        var about = json.RootElement;
        var className = ClassName().Match(about.GetProperty("about").GetString()!).Groups[1].Value;
        var tolerance = Math.Max(LayerTolerance, 10 * about.GetProperty("tolerance").GetDouble());
        var config = SchedulerConfig.FromJson(className, about.GetProperty("config"));
        if (about.GetProperty("step_arguments").TryGetProperty("eta", out var eta))
            config = config with { Eta = eta.GetDouble() };
        foreach (var tensor in golden.Names.Where(n => n.EndsWith(".x", StringComparison.Ordinal) && n.StartsWith("out.", StringComparison.Ordinal)))
        {
            var parts = tensor.Split('.');
            var plan = Plan(config with { Prediction = Kind(parts[2]) }, parts[1]);
            Compare($"{tensor} timesteps", [.. plan.Steps.Select(s => s.Timestep)], golden.Numbers($"out.{parts[1]}.timesteps"), LayerTolerance);
            if (golden.Names.Contains($"out.{parts[1]}.sigmas"))
                Compare($"{tensor} sigmas", [.. plan.Sigmas], golden.Numbers($"out.{parts[1]}.sigmas"), LayerTolerance);
            var noise = golden.Names.Contains("in.noise") ? golden.Floats("in.noise") : null;
            var path = Follow(plan, golden.Floats("in.x"), noise, (x, t) => (0.95 * x * Math.Sin(t / 640)) + (0.1 * Math.Sin(3 * x)) + 0.05);
            var size = path[0].Length;
            var expected = golden.Numbers(tensor);
            for (var i = 0; i < path.Count; i++)
                Compare($"{tensor}[{i}]", path[i], expected[(i * size)..((i + 1) * size)], tolerance);
        }
    }

    [Fact]
    public void NoiseSchedule_StableDiffusion_HasTheReferencesValues()
    {
        var golden = GoldenTensors.Read("samplers", "schedule");
        using var json = GoldenTensors.ReadJson("samplers", "schedule");
        var at = json.RootElement.GetProperty("timesteps").EnumerateArray().Select(t => t.GetInt32()).ToArray();
        var config = SchedulerConfig.FromJson("DDIMScheduler", json.RootElement.GetProperty("config"));
        var schedule = new NoiseSchedule(config);

        Compare("betas", [.. at.Select(t => (double)schedule.Betas[t])], golden.Numbers("out.betas"), 1e-6);
        Compare("alphas", [.. at.Select(schedule.Alpha)], golden.Numbers("out.alphas_cumprod"), 1e-6);
        Compare("sigmas", [.. at.Select(t => schedule.Sigma(t))], golden.Numbers("out.sigmas"), 1e-6);
        var zero = new NoiseSchedule(config with { ZeroTerminalSnr = true });
        Compare("zero", [.. at.Select(zero.Alpha)], golden.Numbers("out.alphas_cumprod_zero_snr"), 1e-6);
        new NoiseSchedule(config with { ZeroTerminalSnr = true, Kind = SamplerKind.Euler }).Alpha(999).ShouldBe(Math.Pow(2, -24));
    }

    [Fact]
    public void Create_EverySpacing_GivesTheReferencesTimesteps()
    {
        var golden = GoldenTensors.Read("samplers", "schedule");
        using var json = GoldenTensors.ReadJson("samplers", "schedule");
        var compared = 0;
        foreach (var name in golden.Names.Where(n => GridName().IsMatch(n)))
        {
            var parts = name.Split('.');
            var className = parts[1] switch { "ddim" => "DDIMScheduler", "euler" => "EulerDiscreteScheduler", "dpm" => "DPMSolverMultistepScheduler", _ => "LCMScheduler" };
            var config = SchedulerConfig.FromJson(className, json.RootElement.GetProperty("config")) with { StepsOffset = 1 };
            if (parts.Length == 4)
                config = config with { Spacing = Enum.Parse<TimestepSpacing>(parts[2], ignoreCase: true) };
            var plan = SamplerPlan.Create(config, int.Parse(parts[^1], CultureInfo.InvariantCulture));
            var tolerance = golden.TypeOf(name) == "I64" ? 0 : 1e-6;
            Compare(name, [.. plan.Steps.Select(s => s.Timestep)], golden.Numbers(name), tolerance);
            compared++;
        }

        compared.ShouldBeGreaterThan(100);
    }

    [Fact]
    public void Create_RectifiedFlow_TakesInstaFlowsPath()
    {
        var golden = GoldenTensors.Read("samplers", "instaflow");
        foreach (var tensor in golden.Names.Where(n => n.EndsWith(".x", StringComparison.Ordinal) && n.StartsWith("out.", StringComparison.Ordinal)))
        {
            var count = int.Parse(tensor.Split('.')[1], CultureInfo.InvariantCulture);
            var weight = double.Parse(tensor[(tensor.IndexOf(".w", StringComparison.Ordinal) + 2)..^2], CultureInfo.InvariantCulture);
            var plan = SamplerPlan.Create(new SchedulerConfig { Kind = SamplerKind.RectifiedFlow }, count);
            Compare("timesteps", [.. plan.Steps.Select(s => s.Timestep)], golden.Numbers($"out.{count}.timesteps"), 1e-7);
            var path = Follow(plan, golden.Floats("in.x"), null, (x, t) => Guided(x, t, weight));
            var expected = golden.Numbers(tensor);
            for (var i = 0; i < path.Count; i++)
                Compare($"{tensor}[{i}]", path[i], expected[(i * 256)..((i + 1) * 256)], LayerTolerance);
        }

        static double Guided(double x, double t, double weight)
        {
            var text = (0.95 * x * Math.Sin(t / 640)) + (0.1 * Math.Sin(3 * x)) + 0.05;
            var empty = (0.6 * text) + (0.2 * Math.Cos(2 * x));
            return weight > 1 ? empty + (weight * (text - empty)) : text;
        }
    }

    [Fact]
    public void Create_OneStepDmd2_EstimatesByTheKnownFactors()
    {
        var config = new SchedulerConfig { Kind = SamplerKind.Lcm, BetaStart = 0.00085, BetaEnd = 0.012, ScaledBetas = true };

        var step = SamplerPlan.Create(config, [399.0]).Steps.ShouldHaveSingleItem();

        // (x - .757570982·ε)/.652752757
        step.EstimateFromState.ShouldBe(1 / 0.652752757, 1e-6);
        step.EstimateFromOutput.ShouldBe(-0.757570982 / 0.652752757, 1e-6);
        step.Noise.ShouldBe(0);
    }

    [Theory]
    [InlineData("""{"clip_sample": true}""", "clip_sample")]
    [InlineData("""{"beta_schedule": "squaredcos_cap_v2"}""", "beta_schedule")]
    [InlineData("""{"prediction_type": "flow"}""", "prediction_type")]
    [InlineData("""{"thresholding": true}""", "thresholding")]
    [InlineData("""{"solver_order": 3}""", "solver_order")]
    [InlineData("""{"final_sigmas_type": "sigma_min"}""", "final_sigmas_type")]
    public void FromJson_OptionThatIsNotBuilt_IsRefusedByName(string options, string name)
    {
        using var json = JsonDocument.Parse(options);
        Should.Throw<NotSupportedException>(() => SchedulerConfig.FromJson("DDIMScheduler", json.RootElement)).Message.ShouldContain(name);
    }

    [Theory]
    [InlineData("""{"beta_start": "a"}""")]
    [InlineData("""{"set_alpha_to_one": 1}""")]
    [InlineData("""{"timestep_spacing": 3}""")]
    public void FromJson_OptionOfWrongType_IsAnError(string options)
    {
        using var json = JsonDocument.Parse(options);
        Should.Throw<InvalidDataException>(() => SchedulerConfig.FromJson("DDIMScheduler", json.RootElement));
    }

    [Fact]
    public void FromJson_UnknownClass_IsRefused()
    {
        using var json = JsonDocument.Parse("{}");
        Should.Throw<NotSupportedException>(() => SchedulerConfig.FromJson("PNDMScheduler", json.RootElement)).Message.ShouldContain("PNDMScheduler");
    }

    [Fact]
    public void Create_TimestepsNotFalling_Throws() =>
        Should.Throw<ArgumentException>(() => SamplerPlan.Create(new SchedulerConfig { Kind = SamplerKind.Lcm }, [399.0, 499.0]));

    [Fact]
    public void Create_MoreStepsThanDistilled_Throws() =>
        Should.Throw<ArgumentException>(() => SamplerPlan.Create(new SchedulerConfig { Kind = SamplerKind.Lcm }, 51));

    /// <summary>All states of a run, in float32 as a tensor library would hold them.</summary>
    private static List<double[]> Follow(SamplerPlan plan, float[] start, float[]? noise, Func<double, double, double> model)
    {
        var x = start.Select(v => (float)(v * plan.StartScale)).ToArray();
        var last = new float[x.Length];
        var path = new List<double[]> { x.Select(v => (double)v).ToArray() };
        for (var i = 0; i < plan.Steps.Count; i++)
        {
            var step = plan.Steps[i];
            for (var k = 0; k < x.Length; k++)
            {
                var output = (float)model((float)(x[k] * step.InputScale), step.Timestep);
                var estimate = (float)((step.EstimateFromState * x[k]) + (step.EstimateFromOutput * output));
                var fresh = step.Noise == 0 ? 0 : step.Noise * noise![(i * x.Length) + k];
                x[k] = (float)((step.FromState * x[k]) + (step.FromOutput * output) + (step.FromEstimate * estimate) + (step.FromLastEstimate * last[k]) + fresh);
                last[k] = estimate;
            }

            path.Add(x.Select(v => (double)v).ToArray());
        }

        return path;
    }

    private static SamplerPlan Plan(SchedulerConfig config, string key) => key.StartsWith("list_", StringComparison.Ordinal)
        ? SamplerPlan.Create(config, [.. key["list_".Length..].Split('_').Select(t => double.Parse(t, CultureInfo.InvariantCulture))])
        : SamplerPlan.Create(config, int.Parse(key, CultureInfo.InvariantCulture));

    private static Prediction Kind(string name) => name switch
    {
        "epsilon" => Prediction.Epsilon,
        "v_prediction" or "velocity" => Prediction.Velocity,
        _ => Prediction.Sample,
    };

    private static void Compare(string what, double[] actual, double[] expected, double tolerance)
    {
        actual.Length.ShouldBe(expected.Length, what);
        var scale = expected.Max(Math.Abs);
        var error = actual.Zip(expected, (a, b) => Math.Abs(a - b)).Max();
        error.ShouldBeLessThanOrEqualTo(tolerance * (scale == 0 ? 1 : scale), what);
    }

    [GeneratedRegex(@"^diffusers (\w+):")]
    private static partial Regex ClassName();

    [GeneratedRegex(@"^out\.(ddim|euler|dpm|lcm)\.")]
    private static partial Regex GridName();
}
