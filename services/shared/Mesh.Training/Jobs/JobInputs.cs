using System.Text.Json;
using Mesh.Models.Networks;
using Mesh.Models.Weights;
using Mesh.Training.Configuration;

namespace Mesh.Training.Jobs;

/// <summary>Fields that name what other jobs made.</summary>
internal static class JobInputs
{
    /// <summary>A folder that must be there.</summary>
    public static string Folder(this JobFields fields, string name, string root)
    {
        var path = fields.PathBelow(name, root);
        if (fields.Has(name) && !Directory.Exists(path))
            fields.Fault(name, $"{path} is not there");
        return path;
    }

    /// <summary>A folder that must be there where it is named.</summary>
    public static string? OptionalFolder(this JobFields fields, string name, string root) => fields.Has(name) ? fields.Folder(name, root) : Absent(fields, name);

    /// <summary>A file that must be there where it is named.</summary>
    public static string? OptionalFile(this JobFields fields, string name, string root)
    {
        var path = fields.OptionalPathBelow(name, root);
        if (path is not null && !File.Exists(path))
            fields.Fault(name, $"{path} is not there");
        return path;
    }

    /// <summary>A network's configuration, read by its own reader.</summary>
    public static (JsonElement Json, T? Config) Network<T>(this JobFields fields, string name, Func<JsonElement, T> read, string? absent = null)
        where T : class
    {
        var json = fields.Raw(name, absent);
        try
        {
            return (json, read(json));
        }
        catch (Exception fault) when (fault is ModelConfigException or InvalidOperationException)
        {
            fields.Fault(name, fault.Message);
            return (json, null);
        }
    }

    /// <summary>A network of a model folder, frozen or to be trained on.</summary>
    public static T Load<T>(string folder, Func<JsonElement, T> make)
        where T : TorchSharp.torch.nn.Module
    {
        var component = ModelComponent.Open(folder);
        var network = make(component.RequireConfig());
        using var weights = component.OpenWeights();
        StrictLoader.Load(network, weights);
        return network;
    }

    private static string? Absent(JobFields fields, string name) => fields.OptionalText(name);
}
