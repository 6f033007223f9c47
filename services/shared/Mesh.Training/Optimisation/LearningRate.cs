namespace Mesh.Training.Optimisation;

/// <summary>How the rate goes on after its warm-up.</summary>
public enum RateShape
{
    /// <summary>It stays.</summary>
    Constant,

    /// <summary>It falls along half a cosine to a share of its peak.</summary>
    Cosine,
}

/// <summary>The learning rate as a pure function of how many images were seen.</summary>
/// <param name="Peak">The rate after the warm-up.</param>
/// <param name="WarmupImages">Images over which it rises in a straight line from 0; 0 for none.</param>
/// <param name="Shape">How it goes on.</param>
/// <param name="TotalImages">Where a cosine ends; the rate stays at its end from there on.</param>
/// <param name="EndShare">The cosine's end as a share of the peak.</param>
public sealed record LearningRate(double Peak, long WarmupImages = 0, RateShape Shape = RateShape.Constant, long TotalImages = 0, double EndShare = 0)
{
    /// <summary>The rate for the step that begins when so many images were seen; the very first step of a warm-up has rate 0.</summary>
    public double At(long imagesSeen)
    {
        var rise = WarmupImages == 0 ? 1 : Math.Min(1, imagesSeen / (double)WarmupImages);
        if (Shape == RateShape.Constant)
            return Peak * rise;
        var done = TotalImages == 0 ? 1 : Math.Clamp(imagesSeen / (double)TotalImages, 0, 1);
        return Peak * rise * (EndShare + ((1 - EndShare) * (1 + Math.Cos(Math.PI * done)) / 2));
    }
}
