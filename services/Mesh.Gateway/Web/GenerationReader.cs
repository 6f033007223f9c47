using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Contracts.Common.V1;
using Mesh.Contracts.Image.V1;
using Mesh.Hosting.Faults;

namespace Mesh.Gateway.Web;

/// <summary>
/// Reads a body of POST /v1/images/generations. Here it is seen to that each field has its type and what HTTP alone knows of; whether the mesh
/// can do it is for the mesh to say. A field that is null counts as absent; one that is not known is refused by its name, because a
/// misspelt one would change the picture silently.
/// </summary>
internal sealed partial class GenerationReader
{
    private const int MostPartialImages = 3;
    private const int BestQuality = 100;

    // OpenAI's, without meaning here: any value does.
    private static readonly HashSet<string> WithoutMeaning = ["user", "quality", "style", "background", "moderation"];

    private readonly GenerateRequest _request = new();
    private readonly List<(string Field, string Description)> _faults = [];
    private string _format = "png";
    private int? _compression;
    private int _partialImages;
    private bool _stream;

    private GenerationReader()
    {
    }

    /// <summary>The call that a body asks for.</summary>
    /// <exception cref="MeshException">INVALID_ARGUMENT that names the fields, by their names in the proto or, where they have none there, in JSON.</exception>
    public static GenerationCall Read(JsonElement body)
    {
        if (body.ValueKind != JsonValueKind.Object) throw MeshException.InvalidArgument("body", "must be a JSON object");
        var reader = new GenerationReader();
        foreach (var property in body.EnumerateObject().Where(x => x.Value.ValueKind != JsonValueKind.Null)) reader.ReadField(NameOf(property), property.Value);
        return reader.Finish();
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw MeshException.InvalidArgument("body", "holds a name that is not valid Unicode");
        }
    }

    private GenerationCall Finish()
    {
        if (_compression is { } compression)
        {
            if (_format == "png" && compression != BestQuality) Fault("output_compression", "is of jpeg and webp only");
            if (_format != "png") _request.Quality = Math.Max(1, compression);
        }
        _request.Format = _format switch { "jpeg" => ImageFormat.Jpeg, "webp" => ImageFormat.Webp, _ => ImageFormat.Png };
        _request.Preview = _stream && _partialImages > 0;
        return _faults.Count == 0 ? new GenerationCall(_request, _stream, _format) : throw MeshException.InvalidArguments(_faults);
    }

    private void ReadField(string name, JsonElement value)
    {
        switch (name)
        {
            case "prompt": _request.Prompt = Text(name, value); break;
            case "negative_prompt": _request.NegativePrompt = Text(name, value); break;
            case "model": _request.Model = Text(name, value); break;
            case "request_id": _request.RequestId = Text(name, value); break;
            case "n": _request.Count = Integer(name, value, 1, int.MaxValue); break;
            case "seed": ReadSeed(value); break;
            case "size": ReadSize(Text(name, value)); break;
            case "steps": _request.Steps = Integer(name, value, 1, int.MaxValue); break;
            case "guidance": _request.Guidance = Number(name, value); break;
            case "loras": ReadLoras(value); break;
            case "response_format": ReadResponseFormat(Text(name, value)); break;
            case "output_format": _format = Choice(name, Text(name, value), "png", "jpeg", "webp"); break;
            case "output_compression": _compression = Integer(name, value, 0, BestQuality); break;
            case "stream": _stream = Flag(name, value); break;
            case "partial_images": _partialImages = Integer(name, value, 0, MostPartialImages); break;
            default:
                if (!WithoutMeaning.Contains(name)) Fault(name.Length <= 64 ? name : name[..64], "is no field of this call");
                break;
        }
    }

    private void ReadSeed(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out var seed)) _request.Seeds.Add(seed);
        else Fault("seed", "must be a whole number from 0 to 2^64 - 1");
    }

    private void ReadSize(string size)
    {
        if (size is "auto" or "") return;
        var match = Size().Match(size);
        if (match.Success && Parse(match.Groups[1]) is { } width && Parse(match.Groups[2]) is { } height) (_request.WidthPx, _request.HeightPx) = (width, height);
        else Fault("size", "must be auto, or WIDTHxHEIGHT in pixels such as 512x512");

        // Nothing is the model's own size in the proto, but was asked for here.
        static int? Parse(Group digits) => int.TryParse(digits.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var side) && side > 0 ? side : null;
    }

    private void ReadResponseFormat(string format)
    {
        if (format == "url") Fault("response_format", "must be b64_json: images are not kept here, so there is no URL to give");
        else Choice("response_format", format, "b64_json");
    }

    private void ReadLoras(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            Fault("loras", "must be a list of objects with name and weight");
            return;
        }
        var index = 0;
        foreach (var item in value.EnumerateArray()) ReadLora($"loras[{index++}]", item);
    }

    private void ReadLora(string place, JsonElement value)
    {
        var lora = new Lora { Weight = 1 };
        if (value.ValueKind != JsonValueKind.Object)
        {
            Fault(place, "must be an object with name and weight");
            return;
        }
        foreach (var property in value.EnumerateObject())
        {
            if (property.NameEquals("name")) lora.Name = Text($"{place}.name", property.Value);
            else if (property.NameEquals("weight")) lora.Weight = Number($"{place}.weight", property.Value);
            else Fault($"{place}.{NameOf(property)}", "is no field of a LoRA");
        }
        _request.Loras.Add(lora);
    }

    private string Text(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            Fault(name, "must be a string");
            return "";
        }
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // Half of a pair of surrogates, escaped, is no text.
            Fault(name, "is not valid Unicode");
            return "";
        }
    }

    private string Choice(string name, string value, params string[] choices)
    {
        if (choices.Contains(value)) return value;
        Fault(name, $"must be {string.Join(", ", choices)}");
        return choices[0];
    }

    private int Integer(string name, JsonElement value, int least, int most)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most) return number;
        Fault(name, most == int.MaxValue ? $"must be a whole number of at least {least}" : $"must be a whole number from {least} to {most}");
        return least;
    }

    private float Number(string name, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out var number) && float.IsFinite(number)) return number;
        Fault(name, "must be a number");
        return 0;
    }

    private bool Flag(string name, JsonElement value)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        Fault(name, "must be true or false");
        return false;
    }

    private void Fault(string field, string description) => _faults.Add((field, description));

    [GeneratedRegex(@"\A([0-9]{1,9})x([0-9]{1,9})\z", RegexOptions.CultureInvariant)]
    private static partial Regex Size();
}
