using Mesh.Models.Noise;

namespace Mesh.Training.Perception;

/// <summary>The transformations that can be part of an ensemble.</summary>
[Flags]
public enum Augmentations
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Mirroring left and right.</summary>
    XFlip = 1,

    /// <summary>Quarter turns.</summary>
    Rotate90 = 2,

    /// <summary>Shifts by whole places.</summary>
    XInt = 4,

    /// <summary>Enlarging and shrinking.</summary>
    Scale = 8,

    /// <summary>Rotations by any angle, before and after the stretching.</summary>
    Rotate = 16,

    /// <summary>Stretching one axis against the other.</summary>
    Aniso = 32,

    /// <summary>Shifts by fractions of a place.</summary>
    XFrac = 64,

    /// <summary>A constant added.</summary>
    Brightness = 128,

    /// <summary>Distances from the mean scaled.</summary>
    Contrast = 256,

    /// <summary>Distances from the mean of a place's channels scaled.</summary>
    Saturation = 512,

    /// <summary>A square of half the sides set to 0.</summary>
    Cutout = 1024,
}

/// <summary>What was drawn for one call: a list of numbers by name, in the order in which the reference draws them.</summary>
public sealed class AugmentationDraws
{
    /// <summary>What is drawn for each, in order: name, numbers a sample, and whether they are normal rather than uniform.</summary>
    private static readonly (Augmentations Of, string Name, int Width, bool Normal)[] Order =
    [
        (Augmentations.XFlip, "xflip", 1, false), (Augmentations.XFlip, "xflip.gate", 1, false),
        (Augmentations.Rotate90, "rotate90", 1, false), (Augmentations.Rotate90, "rotate90.gate", 1, false),
        (Augmentations.XInt, "xint", 2, false), (Augmentations.XInt, "xint.gate", 1, false),
        (Augmentations.Scale, "scale", 1, true), (Augmentations.Scale, "scale.gate", 1, false),
        (Augmentations.Rotate, "rotate.pre", 1, false), (Augmentations.Rotate, "rotate.pre.gate", 1, false),
        (Augmentations.Aniso, "aniso", 1, true), (Augmentations.Aniso, "aniso.gate", 1, false),
        (Augmentations.Rotate, "rotate.post", 1, false), (Augmentations.Rotate, "rotate.post.gate", 1, false),
        (Augmentations.XFrac, "xfrac", 2, true), (Augmentations.XFrac, "xfrac.gate", 1, false),
        (Augmentations.Brightness, "brightness", 1, false), (Augmentations.Contrast, "contrast", 1, false), (Augmentations.Saturation, "saturation", 1, false),
        (Augmentations.Cutout, "cutout.gate", 1, false), (Augmentations.Cutout, "cutout.centre", 2, false),
    ];

    private static readonly Dictionary<char, Augmentations> Sets = new()
    {
        ['b'] = Augmentations.XFlip | Augmentations.Rotate90 | Augmentations.XInt,
        ['g'] = Augmentations.Scale | Augmentations.Rotate | Augmentations.Aniso | Augmentations.XFrac,
        ['c'] = Augmentations.Brightness | Augmentations.Contrast | Augmentations.Saturation,
        ['o'] = Augmentations.Cutout,
    };

    private readonly IReadOnlyDictionary<string, float[]> _values;

    /// <summary>Takes numbers that were drawn elsewhere.</summary>
    /// <param name="of">The transformations.</param>
    /// <param name="count">Samples.</param>
    /// <param name="values">For each name of <see cref="Names"/> its numbers, sample by sample.</param>
    /// <exception cref="ArgumentException">Some are missing or of another count.</exception>
    public AugmentationDraws(Augmentations of, int count, IReadOnlyDictionary<string, float[]> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        foreach (var (_, name, width, _) in Order.Where(o => of.HasFlag(o.Of)))
        {
            if (!values.TryGetValue(name, out var drawn) || drawn.Length != count * width)
                throw new ArgumentException($"{name} needs {count * width} numbers", nameof(values));
        }

        (Of, Count, _values) = (of, count, values);
    }

    /// <summary>The transformations.</summary>
    public Augmentations Of { get; }

    /// <summary>Samples.</summary>
    public int Count { get; }

    /// <summary>The names of what is drawn for some transformations, in order.</summary>
    public static IEnumerable<string> Names(Augmentations of) => Order.Where(o => of.HasFlag(o.Of)).Select(o => o.Name);

    /// <summary>The transformations of a name such as <c>bg</c>: b mirroring, turns and whole shifts; g scaling, rotation and fractional shifts; c colour; o cutout.</summary>
    /// <exception cref="ArgumentException">A letter is none of these.</exception>
    public static Augmentations Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var found = Augmentations.None;
        foreach (var letter in name)
            found |= Sets.TryGetValue(letter, out var set) ? set : throw new ArgumentException($"'{letter}' in '{name}' is none of b, g, c, o", nameof(name));
        return found;
    }

    /// <summary>Draws for so many samples. Gates are always open here, and drawn all the same, so that the stream is the reference's.</summary>
    public static AugmentationDraws Draw(Augmentations of, int count, TorchGenerator random)
    {
        var values = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var (_, name, width, normal) in Order.Where(o => of.HasFlag(o.Of)))
        {
            var drawn = new float[count * width];
            if (normal)
                random.Normals(drawn);
            else
                random.Uniforms(drawn);
            values.Add(name, drawn);
        }

        return new AugmentationDraws(of, count, values);
    }

    /// <summary>The numbers of a name, sample by sample.</summary>
    internal float[] this[string name] => _values[name];

    /// <summary>Whether a transformation is part of this.</summary>
    internal bool Has(Augmentations one) => Of.HasFlag(one);
}
