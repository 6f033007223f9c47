using System.CommandLine;
using System.Globalization;
using Mesh.Imaging;
using Mesh.Training.Data;
using Mesh.Training.Jobs;
using Mesh.Training.Runs;
using Spectre.Console;

namespace Mesh.Cli.Train;

/// <summary><c>mesh bench jobs</c>: a few steps of every kind of job on made-up pictures and the built-in networks, and how a step's time splits.</summary>
internal static class JobsBench
{
    private const int Side = 64;
    private const int Pictures = 64;

    // The built-in sizes, with the ids of a vocabulary of bytes alone.
    private const string Text = """
        text_encoder: {vocab_size: 514, hidden_size: 192, intermediate_size: 768, num_hidden_layers: 4, num_attention_heads: 3, max_position_embeddings: 32,
                       hidden_act: quick_gelu, eos_token_id: 513, bos_token_id: 512}
        """;

    private const string Towers = """
        network: {projection_dim: 128,
                  text_config: {vocab_size: 514, hidden_size: 128, intermediate_size: 512, num_hidden_layers: 3, num_attention_heads: 4,
                                max_position_embeddings: 32, hidden_act: quick_gelu, eos_token_id: 513},
                  vision_config: {hidden_size: 192, intermediate_size: 768, num_hidden_layers: 4, num_attention_heads: 6, image_size: 64, patch_size: 8,
                                  hidden_act: quick_gelu}}
        """;

    // In the order in which one needs what another made.
    private static readonly (string Kind, string Yaml)[] Jobs =
    [
        ("tokenizer", "{data: data, vocabulary: 514, positions: 32}"),
        ("autoencoder", "{data: data, TRAIN}"),
        ("flow", "{data: data, vae: autoencoder/result/vae, tokenizer: tokenizer/result, TEXT, TRAIN}"),
        ("pairs", "{teacher: flow/result, data: data, count: BATCH, per_file: BATCH, batch: BATCH, steps: 4}"),
        ("distil", "{pairs: pairs/result, start: flow/result, vae: autoencoder/result/vae, tokenizer: tokenizer/result, TRAIN}"),
        ("lora", "{model: flow/result, data: data, TRAIN}"),
        ("scorer", "{data: data, tokenizer: tokenizer/result, TOWERS, TRAIN}"),
    ];

    public static Command Create()
    {
        var batch = new Option<int>("--batch") { Description = "Images a step.", DefaultValueFactory = _ => 64 };
        var steps = new Option<int>("--steps") { Description = "Timed steps of each kind, after as many for warming up.", DefaultValueFactory = _ => 3 };
        var command = new Command("jobs", "Every kind of training job: images a second, and where a step's time goes.") { batch, steps };
        command.SetAction((parsed, cancel) => Task.Run(
            () =>
            {
                var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(parsed.InvocationConfiguration.Output) });
                Run(parsed.GetValue(batch), parsed.GetValue(steps), console, cancel);
                return ExitCode.Done;
            },
            CancellationToken.None));
        return command;
    }

    private static void Run(int batch, int steps, IAnsiConsole console, CancellationToken cancel)
    {
        if (batch < 1 || steps < 1)
            throw new ArgumentException($"--batch {batch} --steps {steps}: at least 1 is needed");
        var folder = Directory.CreateTempSubdirectory("mesh-bench-").FullName;
        try
        {
            WritePictures(Path.Combine(folder, "data"));
            var table = new Table().AddColumns("job", "images/s", "data", "forward", "backward", "optimiser", "average");
            foreach (var (kind, yaml) in Jobs)
            {
                TickPassed? last = null;
                var plan = JobPlans.Parse(kind, Fill(yaml, batch, steps), folder);
                plan.Run(new JobContext(new RunFolder(Path.Combine(folder, kind)), false, e => last = e as TickPassed ?? last, cancel));
                if (last is not null)
                    table.AddRow([kind, Rate(last), .. Parts(last.Times).Select(p => Share(p, last.Times.Total))]);
            }

            console.Write(table);
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"batch {batch}; the share of a step's time in each part"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Fill(string yaml, int batch, int steps)
    {
        var train = string.Create(
            CultureInfo.InvariantCulture, $"train: {{batch: {batch}, images: {2L * steps * batch}, tick_steps: {steps}, checkpoint_steps: {2 * steps}}}");
        return yaml.Replace("TRAIN", train, StringComparison.Ordinal).Replace("TEXT", Text.Trim(), StringComparison.Ordinal)
            .Replace("TOWERS", Towers.Trim(), StringComparison.Ordinal).Replace("BATCH", batch.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
    }

    private static double[] Parts(StepTimes times) => [times.Data, times.Forward, times.Backward, times.Optimiser, times.Average];

    private static string Rate(TickPassed tick) => tick.ImagesPerSecond.ToString("0.0", CultureInfo.InvariantCulture);

    private static string Share(double part, double whole) => (part / whole).ToString("0 %", CultureInfo.InvariantCulture);

    private static void WritePictures(string folder)
    {
        var pictures = Enumerable.Range(0, Pictures).Select(i =>
        {
            var picture = Image.Filled(Side, Side, (byte)i, (byte)(3 * i), (byte)(7 * i));
            picture.Paste(Image.Filled(20, 20, (byte)(255 - i), (byte)(5 * i), 90), i % 44, i / 8);
            return picture;
        });
        var lines = Enumerable.Range(0, Pictures).Select(i => $$"""{"caption": "a square at {{i % 44}} and {{i / 8}}"}""");
        PictureShards.Write(folder, "", pictures, lines);
    }
}
