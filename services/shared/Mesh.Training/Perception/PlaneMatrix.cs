namespace Mesh.Training.Perception;

/// <summary>An affine map of the plane as the 3x3 matrix of homogeneous coordinates, row by row.</summary>
internal sealed record PlaneMatrix(double A, double B, double Tx, double C, double D, double Ty)
{
    public static PlaneMatrix Identity { get; } = new(1, 0, 0, 0, 1, 0);

    public static PlaneMatrix Scaling(double x, double y) => new(x, 0, 0, 0, y, 0);

    public static PlaneMatrix Shift(double x, double y) => new(1, 0, x, 0, 1, y);

    public static PlaneMatrix Rotation(double angle) => new(Math.Cos(angle), -Math.Sin(angle), 0, Math.Sin(angle), Math.Cos(angle), 0);

    /// <summary>First <paramref name="right"/>, then this.</summary>
    public PlaneMatrix Times(PlaneMatrix right) => new(
        (A * right.A) + (B * right.C), (A * right.B) + (B * right.D), (A * right.Tx) + (B * right.Ty) + Tx,
        (C * right.A) + (D * right.C), (C * right.B) + (D * right.D), (C * right.Tx) + (D * right.Ty) + Ty);

    public (double X, double Y) Map(double x, double y) => ((A * x) + (B * y) + Tx, (C * x) + (D * y) + Ty);
}
