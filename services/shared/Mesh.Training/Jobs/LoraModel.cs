using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Samplers;
using Mesh.Models.Weights;
using Mesh.Training.Adapters;
using Mesh.Training.Configuration;
using Mesh.Training.Flow;
using static TorchSharp.torch;

namespace Mesh.Training.Jobs;

/// <summary>What a model folder says of itself, without its weights.</summary>
internal sealed class LoraModel
{
    private static readonly string[] ScheduleFields =
        ["num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type", "trained_betas", "rescale_betas_zero_snr"];

    private LoraModel(string folder, ModelFolder opened)
    {
        Folder = folder;
        Kind = opened.PipelineClass == "RectifiedFlowPipeline" ? DenoisingKind.Flow : DenoisingKind.Diffusion;
        UNet = UNetConfig.FromJson(opened.Components["unet"].RequireConfig());
        Text = ClipTextConfig.FromJson(opened.Components["text_encoder"].RequireConfig(), projection: false);
        Schedule = ReadSchedule(opened.Components.GetValueOrDefault("scheduler")?.Config);
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>The objective that its pipeline was trained under.</summary>
    public DenoisingKind Kind { get; }

    public UNetConfig UNet { get; }

    public ClipTextConfig Text { get; }

    /// <summary>Its training schedule, under DDIM, which makes sample pictures.</summary>
    public SchedulerConfig Schedule { get; }

    /// <summary>Reads a model's folder; null where the field is at fault.</summary>
    public static LoraModel? Read(JobFields fields, string name, string root)
    {
        var folder = fields.Folder(name, root);
        if (!Directory.Exists(folder))
            return null;
        try
        {
            var opened = ModelFolder.Open(folder);
            if (opened.Components.ContainsKey("text_encoder_2"))
                throw new NotSupportedException("a model with two text encoders is not trained here");
            foreach (var part in new[] { "unet", "text_encoder", "vae", "tokenizer" })
            {
                if (!opened.Components.ContainsKey(part))
                    throw new WeightFileException($"{part} is not there");
            }

            return new LoraModel(folder, opened);
        }
        catch (Exception fault) when (fault is WeightFileException or ModelConfigException or NotSupportedException
            or InvalidDataException or InvalidOperationException)
        {
            fields.Fault(name, fault.Message);
            return null;
        }
    }

    /// <summary>The paths of the layers of a network that can have updates.</summary>
    public IReadOnlyList<string> Paths(string component)
    {
        // On a device without memory, so that a configuration is checked in no time.
        nn.Module network = component == "unet" ? new UNet(UNet, META) : new ClipTextEncoder(Text, META);
        using (network)
            return [.. LoraAdapters.Paths(network)];
    }

    private static SchedulerConfig ReadSchedule(JsonElement? file)
    {
        var shared = new Dictionary<string, object> { ["steps_offset"] = 1, ["set_alpha_to_one"] = false };
        foreach (var name in ScheduleFields)
        {
            if (file is { } options && options.TryGetProperty(name, out var value))
                shared[name] = value;
        }

        return SchedulerConfig.FromJson("DDIMScheduler", JsonSerializer.SerializeToElement(shared));
    }
}
