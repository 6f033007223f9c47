using static Mesh.TorchSharp.Tests.Tensor.Check;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class LinearAlgebraTests
{
    [Fact]
    public void Products_OfEveryRank_MatchHandWork()
    {
        using var scope = NewDisposeScope();
        var a = Counting(2, 3);
        var b = Counting(3, 2);
        a.mm(b).ShouldBeClose([22, 28, 49, 64]);
        matmul(a, b).ShouldBeClose([22, 28, 49, 64]);
        a.mv(Counting(3)).ShouldBeClose([14, 32]);
        Counting(3).dot(Counting(3)).item<double>().ShouldBe(14);
        Counting(2).outer(Counting(2)).ShouldBeClose([1, 2, 2, 4]);
        Counting(2, 2, 2).bmm(Counting(2, 2, 2)).ShouldBeClose([7, 10, 15, 22, 67, 78, 91, 106]);
        ones(2, 2, float64).addmm(a, b, 2, 0.5f).ShouldBeClose([13, 16, 26.5, 34]);
        ones(1, 2, 2, float64).baddbmm(a.unsqueeze(0), b.unsqueeze(0)).ShouldBeClose([23, 29, 50, 65]);
        Counting(2, 2).kron(eye(2, dtype: float64)).ShouldHaveShape(4, 4);
    }

    [Fact]
    public void Matmul_OfBatches_BroadcastsLeadingAxes()
    {
        using var scope = NewDisposeScope();
        var a = Counting(2, 1, 2, 3);
        var b = Counting(4, 3, 2);
        var c = a.matmul(b);
        c.ShouldHaveShape(2, 4, 2, 2);
        c[1, 2].Equals(a[1, 0].mm(b[2])).ShouldBeTrue();
    }

    [Fact]
    public void Einsum_OfSeveralForms_MatchesTheNamedOperators()
    {
        using var scope = NewDisposeScope();
        var a = Counting(2, 3);
        var b = Counting(3, 4);
        einsum("ij,jk->ik", a, b).Equals(a.mm(b)).ShouldBeTrue();
        einsum("ij->ji", a).Equals(a.t()).ShouldBeTrue();
        einsum("ii", Counting(3, 3)).item<double>().ShouldBe(15);
        einsum("bij,bjk->bik", Counting(2, 2, 3), Counting(2, 3, 2)).Equals(Counting(2, 2, 3).bmm(Counting(2, 3, 2))).ShouldBeTrue();
        tensordot(a, b, [1], [0]).Equals(a.mm(b)).ShouldBeTrue();
    }

    [Fact]
    public void LargeProduct_OfSingles_MatchesASumInDoubles()
    {
        using var scope = NewDisposeScope();
        const int n = 96;
        var a = new float[n, n];
        var b = new float[n, n];
        for (var i = 0; i < n; i++)
        for (var j = 0; j < n; j++)
            (a[i, j], b[i, j]) = ((i * 7 + j * 3) % 11 - 5, (i * 5 + j) % 13 - 6);
        var expected = new double[n * n];
        for (var i = 0; i < n; i++)
        for (var j = 0; j < n; j++)
        for (var k = 0; k < n; k++)
            expected[i * n + j] += (double)a[i, k] * b[k, j];
        tensor(a).matmul(tensor(b)).ShouldBeClose(expected, 1e-6);
    }

    [Fact]
    public void Decompositions_MultiplyBackToTheMatrix()
    {
        using var scope = NewDisposeScope();
        var a = Doubles(4, 1, 2, 1, 3, 0, 2, 0, 5).reshape(3, 3);
        var (u, s, vh) = linalg.svd(a);
        u.mm(diag(s)).mm(vh).ShouldBeClose(a.Numbers(), 1e-12);
        var (values, vectors) = linalg.eigh(a);
        vectors.mm(diag(values)).mm(vectors.t()).ShouldBeClose(a.Numbers(), 1e-12);
        var (q, r) = linalg.qr(a);
        q.mm(r).ShouldBeClose(a.Numbers(), 1e-12);
        q.t().mm(q).ShouldBeClose(eye(3, dtype: float64).Numbers(), 1e-12);
        var lower = linalg.cholesky(a);
        lower.mm(lower.t()).ShouldBeClose(a.Numbers(), 1e-12);
        var (p, l, upper) = linalg.lu(a);
        p.mm(l).mm(upper).ShouldBeClose(a.Numbers(), 1e-12);
    }

    [Fact]
    public void SolvesAndInverses_MatchCramersRule()
    {
        using var scope = NewDisposeScope();
        var a = Doubles(2, 1, 1, 3).reshape(2, 2);
        linalg.inv(a).ShouldBeClose([0.6, -0.2, -0.2, 0.4], 1e-14);
        linalg.det(a).item<double>().ShouldBe(5, 1e-12);
        linalg.solve(a, Doubles(3, 5).reshape(2, 1)).ShouldBeClose([0.8, 1.4], 1e-14);
        linalg.pinv(Doubles(1, 0, 0, 2, 0, 0).reshape(3, 2)).ShouldBeClose([1, 0, 0, 0, 0.5, 0], 1e-14);
        linalg.eigvalsh(a).ShouldBeClose([(5 - Math.Sqrt(5)) / 2, (5 + Math.Sqrt(5)) / 2], 1e-13);
        a.trace().item<double>().ShouldBe(5);
        linalg.matrix_norm(a).item<double>().ShouldBe(Math.Sqrt(15), 1e-14);
        linalg.multi_dot([a, a, a]).Equals(a.mm(a).mm(a)).ShouldBeTrue();
        a.matrix_power(3).ShouldBeClose(a.mm(a).mm(a).Numbers(), 1e-12);
        linalg.solve_triangular(a.triu(), Doubles(3, 6).reshape(2, 1), upper: true).ShouldBeClose([0.5, 2]);
    }

    [Fact]
    public void SingularMatrix_Inverted_IsAnError()
    {
        using var scope = NewDisposeScope();
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => linalg.inv(ones(2, 2))).Message.ShouldContain("singular");
    }

    [Fact]
    public void Fourier_OfAPureTone_IsOneLine()
    {
        using var scope = NewDisposeScope();
        const int n = 16;
        var tone = tensor(Enumerable.Range(0, n).Select(i => Math.Cos(2 * Math.PI * 3 * i / n)).ToArray());
        var spectrum = fft.rfft(tone).abs();
        spectrum.ShouldBeClose(Enumerable.Range(0, 9).Select(i => i == 3 ? 8.0 : 0).ToArray(), 1e-13);
        fft.irfft(fft.rfft(tone)).ShouldBeClose(tone.Numbers(), 1e-14);
        fft.ifft2(fft.fft2(Counting(4, 4))).real.ShouldBeClose(Counting(4, 4).Numbers(), 1e-13);
        fft.fftshift(Counting(4)).ShouldBeClose([3, 4, 1, 2]);
        fft.rfft(tone, norm: global::TorchSharp.FFTNormType.Ortho).abs()[3].item<double>().ShouldBe(2, 1e-13);
        fft.fftfreq(4, 0.5, dtype: float64).ShouldBeClose([0, 0.5, -1, -0.5]);
    }
}
