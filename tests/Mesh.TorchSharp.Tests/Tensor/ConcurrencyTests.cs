using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

public sealed class ConcurrencyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Inference_FromSeveralThreads_GivesWhatOneThreadGives()
    {
        using var first = randn(64, 64);
        using var second = randn(64, 64);
        var expected = Network(randn(8, 64, generator: new Generator(0)), first, second);

        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            using var inference = inference_mode();
            var all = new List<float[]>();
            for (var i = 0; i < 50; i++)
            {
                using var scope = NewDisposeScope();
                all.Add(Network(randn(8, 64, generator: new Generator(0)), first, second));
            }
            return all;
        }))).WaitAsync(Patience);

        foreach (var answer in answers.SelectMany(all => all)) answer.ShouldBe(expected);
    }

    [Fact]
    public void GradMode_IsTheThreadsOwn()
    {
        using var mode = no_grad();
        var elsewhere = false;
        var thread = new Thread(() => elsewhere = is_grad_enabled());
        thread.Start();
        thread.Join(Patience).ShouldBeTrue();
        elsewhere.ShouldBeTrue();
        is_grad_enabled().ShouldBeFalse();
    }

    [Fact]
    public async Task Errors_OfSeveralThreads_KeepTheirOwnTexts()
    {
        var texts = await Task.WhenAll(Enumerable.Range(2, 4).Select(n => Task.Run(() =>
        {
            var seen = new List<(int N, string Text)>();
            using var a = ones(1, n);
            using var b = ones(n + 10, 1);
            for (var i = 0; i < 100; i++)
                seen.Add((n, Should.Throw<System.Runtime.InteropServices.ExternalException>(() => a.mm(b)).Message));
            return seen;
        }))).WaitAsync(Patience);
        foreach (var (n, text) in texts.SelectMany(seen => seen)) text.ShouldContain($"1x{n} and {n + 10}x1");
    }

    [Fact]
    public async Task Backward_FromSeveralThreads_DoesNotMix()
    {
        var gradients = await Task.WhenAll(Enumerable.Range(1, 4).Select(n => Task.Run(() =>
        {
            for (var i = 0; i < 50; i++)
            {
                using var scope = NewDisposeScope();
                var x = full(new long[] { 16 }, (double)n, dtype: float64, requires_grad: true);
                x.pow(2).sum().backward();
                x.grad!.sum().item<double>().ShouldBe(2.0 * n * 16);
            }
            return n;
        }))).WaitAsync(Patience);
        gradients.ShouldBe([1, 2, 3, 4]);
    }

    private static float[] Network(torch.Tensor x, torch.Tensor first, torch.Tensor second)
    {
        using var scope = NewDisposeScope();
        return x.matmul(first).relu().matmul(second).softmax(1).data<float>().ToArray();
    }
}
