using Mesh.Imaging;
using Mesh.Models.Networks;
using Mesh.Models.Text;
using Mesh.Models.Weights;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Mesh.Training.Evaluation;

/// <summary>CLIP's two towers, which bring pictures and texts to one space (transformers' CLIPModel; open_clip's files load as well).</summary>
public sealed class ClipModel : IDisposable
{
    private const double FirstScale = 2.6592; // the logarithm of 1 / 0.07, where training begins

    /// <summary>A model with random weights.</summary>
    /// <exception cref="ArgumentException">The towers' projections are not equally wide.</exception>
    public ClipModel(ClipTextConfig text, ClipVisionConfig vision)
    {
        if (text.ProjectionDim != vision.ProjectionDim)
            throw new ArgumentException($"the text is projected to {text.ProjectionDim} numbers, the picture to {vision.ProjectionDim}", nameof(vision));
        Text = new ClipTextEncoder(text);
        Vision = new ClipVision(vision);
        LogitScale = new Parameter(tensor((float)FirstScale).DetachFromDisposeScope());
    }

    /// <summary>The text tower.</summary>
    public ClipTextEncoder Text { get; }

    /// <summary>The picture tower.</summary>
    public ClipVision Vision { get; }

    /// <summary>The logarithm of what cosines are multiplied by in training.</summary>
    public Parameter LogitScale { get; }

    /// <summary>Every tensor by transformers' name.</summary>
    public Dictionary<string, Tensor> Tensors()
    {
        var all = Text.state_dict();
        foreach (var (name, value) in Vision.state_dict())
            all.Add(name, value);
        all.Add("logit_scale", LogitScale);
        return all;
    }

    /// <summary>Loads transformers' or open_clip's file.</summary>
    /// <exception cref="WeightFileException">Something is missing or of another shape.</exception>
    public void Load(IWeightSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!OpenClipWeights.IsOne(source))
        {
            StrictLoader.Load(Tensors(), source);
            return;
        }

        using var renamed = new OpenClipWeights(source);
        StrictLoader.Load(Tensors(), renamed);
    }

    /// <summary>Texts in the common space, not normalised.</summary>
    /// <param name="ids">[B, L] Int64.</param>
    /// <returns>[B, projection].</returns>
    public Tensor EmbedTexts(Tensor ids)
    {
        using var said = Text.Encode(ids);
        return said.TextEmbeds!.alias();
    }

    /// <summary>Pictures in the common space, not normalised.</summary>
    /// <param name="pixels">[B, 3, side, side].</param>
    /// <returns>[B, projection].</returns>
    public Tensor EmbedPictures(Tensor pixels) => Vision.call(pixels);

    /// <summary>The cosine of each row with each row: [n, width] and [m, width] to [n, m].</summary>
    public static Tensor Cosines(Tensor pictures, Tensor texts)
    {
        using var scope = NewDisposeScope();
        return F.normalize(pictures, dim: -1).matmul(F.normalize(texts, dim: -1).t()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Text.Dispose();
        Vision.Dispose();
        LogitScale.Dispose();
    }
}

/// <summary>The CLIP score as one-step models are judged by it: the mean cosine of pictures and their captions.</summary>
public static class ClipScore
{
    /// <summary>What stands before every caption.</summary>
    public const string Prefix = "A photo depicts ";

    private const int FirstSide = 256;
    private static readonly float[] Mean = [0.48145466f, 0.4578275f, 0.40821073f];
    private static readonly float[] Spread = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>
    /// A row of ids: the caption between begin and end, cut and filled up with 0, the prefix put in after the begin, cut again, and the last id made the
    /// end unless it is 0.
    /// </summary>
    /// <param name="tokenizer">CLIP's.</param>
    /// <param name="caption">The text.</param>
    /// <param name="length">Ids in a row.</param>
    public static long[] Ids(ClipTokenizer tokenizer, string caption, int length = 77)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var words = tokenizer.Encode(caption)[1..^1];
        long[] plain = [tokenizer.BeginId, .. words.Take(length - 2).Select(i => (long)i), tokenizer.EndId];
        long[] filled = [.. plain, .. Enumerable.Repeat(0L, length - plain.Length)];
        long[] ids = [filled[0], .. tokenizer.Encode(Prefix)[1..^1].Select(i => (long)i), .. filled[1..]];
        ids = ids[..length];
        if (ids[^1] != 0)
            ids[^1] = tokenizer.EndId;
        return ids;
    }

    /// <summary>The middle square of a picture at 256 px by Pillow's Lanczos filter, which goes before CLIP's own scaling.</summary>
    public static Image Square(Image picture)
    {
        ArgumentNullException.ThrowIfNull(picture);
        return Resampling.Resize(Middle(picture, Math.Min(picture.Width, picture.Height)), FirstSide, FirstSide, ResampleFilter.Lanczos);
    }

    /// <summary>CLIP's own scaling: the shorter side to <paramref name="side"/> by Pillow's bicubic filter, the middle square, less the mean, over the spread.</summary>
    /// <returns>[1, 3, side, side].</returns>
    public static Tensor Pixels(Image picture, int side)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var shorter = Math.Min(picture.Width, picture.Height);
        var width = picture.Width == shorter ? side : (int)((long)side * picture.Width / shorter);
        var height = picture.Height == shorter ? side : (int)((long)side * picture.Height / shorter);
        var small = Middle(Resampling.Resize(picture, width, height, ResampleFilter.Bicubic), side);
        using var scope = NewDisposeScope();
        var values = tensor(small.Pixels).reshape(1, side, side, Image.Channels).permute(0, 3, 1, 2).to(ScalarType.Float32) / 255f;
        return ((values - tensor(Mean).reshape(1, 3, 1, 1)) / tensor(Spread).reshape(1, 3, 1, 1)).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>CLIP's colours for pictures that have the right side already.</summary>
    /// <param name="pictures">[B, 3, side, side] in [-1, 1].</param>
    public static Tensor Colours(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var mean = tensor(Mean).reshape(1, 3, 1, 1).to(pictures.device);
        var spread = tensor(Spread).reshape(1, 3, 1, 1).to(pictures.device);
        return ((((pictures / 2) + 0.5) - mean) / spread).MoveToOuterDisposeScope();
    }

    /// <summary>The mean cosine of the i-th picture with the i-th text.</summary>
    public static double Of(Tensor pictures, Tensor texts)
    {
        using var scope = NewDisposeScope();
        return F.cosine_similarity(pictures, texts, dim: -1).mean().to(ScalarType.Float64).item<double>();
    }

    private static Image Middle(Image picture, int side) => picture.Crop(
        (int)Math.Round((picture.Width - side) / 2.0, MidpointRounding.ToEven), (int)Math.Round((picture.Height - side) / 2.0, MidpointRounding.ToEven), side, side);
}
