using System.Collections.Concurrent;
using Mesh.Testing;

namespace Mesh.FunctionalTests;

/// <summary>The golden data's networks as folders, each written once for the whole run, and the settings that serve them.</summary>
internal static class TinyModels
{
    /// <summary>A flow model of any number of steps, 128 px, that has previews, LoRAs and a ControlNet.</summary>
    public const string Flow = "flow";

    /// <summary>A LoRA of <see cref="Flow"/>.</summary>
    public const string Style = "style";

    /// <summary>Another LoRA of <see cref="Flow"/>.</summary>
    public const string Look = "look";

    /// <summary>The ControlNet of <see cref="Flow"/>.</summary>
    public const string Edges = "edges";

    private static readonly TempFolder Root = MakeRoot();
    private static readonly ConcurrentDictionary<string, Lazy<string>> Written = new();

    /// <summary>Settings of <see cref="Flow"/> and all that goes with it.</summary>
    public static IReadOnlyList<(string Key, string? Value)> FlowSettings =>
    [
        ($"Mesh:Models:{Flow}:Folder", FlowAround("lora", "kohya_sd15")),
        ($"Mesh:Models:{Flow}:Preview", TinyDecoder),
        ($"Mesh:Loras:{Style}:File", ProceduralModels.LoraFile("kohya_sd15")),
        ($"Mesh:Loras:{Style}:Models:0", Flow),
        ($"Mesh:Loras:{Look}:File", ProceduralModels.LoraFile("peft_plain")),
        ($"Mesh:Loras:{Look}:Models:0", Flow),
        ($"Mesh:Controls:{Edges}:Folder", Control("sd15_tiny")),
        ($"Mesh:Controls:{Edges}:Models:0", Flow),
        ("Mesh:DefaultModel", Flow),
    ];

    /// <summary>Settings of an upsampler of tiles of 16 px.</summary>
    public static IReadOnlyList<(string Key, string? Value)> UpsamplerSettings => [("Mesh:Upsamplers:small:Folder", Upsampler("tile16"))];

    public static string TinyDecoder => Once("taesd", x => ProceduralModels.WriteTinyDecoder(x));

    public static string Pipeline(string golden) => Once(golden, x => ProceduralModels.WritePipeline(x, golden));

    public static string FlowAround(string group, string golden) => Once($"{group}-{golden}", x => ProceduralModels.WriteFlowAround(x, group, golden));

    public static string Control(string golden) => Once("control-" + golden, x => ProceduralModels.WriteControlNet(x, golden));

    public static string Upsampler(string golden) => Once("upsampler-" + golden, x => ProceduralModels.WriteUpsampler(x, golden));

    private static string Once(string name, Func<string, string> write) => Written.GetOrAdd(name, x => new(() => write(Root.File(x)))).Value;

    private static TempFolder MakeRoot()
    {
        var root = new TempFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => root.Dispose();
        return root;
    }
}
