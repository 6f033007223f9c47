using Mesh.Models.Noise;
using static TorchSharp.torch;

namespace Mesh.Training.Runs;

/// <summary>A loss, and the parts of it that are worth telling.</summary>
/// <param name="Total">What is minimised, a scalar that carries its graph.</param>
/// <param name="Parts">Scalars by name, told at each tick; <c>loss</c> itself is told anyway.</param>
public sealed record LossParts(Tensor Total, IReadOnlyDictionary<string, Tensor>? Parts = null);

/// <summary>What a look at the networks gave.</summary>
/// <param name="Picture">A PNG, or null where there is nothing to show.</param>
/// <param name="Measures">Numbers by name, on what is not trained on where they say so.</param>
public sealed record Look(byte[]? Picture, IReadOnlyDictionary<string, double> Measures);

/// <summary>What is trained: networks, where their batches come from, and what their loss is.</summary>
/// <typeparam name="TBatch">A batch's tensors, disposed of after its step.</typeparam>
public interface ITrainingTask<TBatch> : IDisposable
    where TBatch : IDisposable
{
    /// <summary>The networks that are trained, by the name of their part.</summary>
    IReadOnlyDictionary<string, nn.Module> Networks { get; }

    /// <summary>Where in the data the next batch begins: saved with a checkpoint, set when a run goes on.</summary>
    long[] Position { get; set; }

    /// <summary>The next batch; everything random about it is drawn from <paramref name="random"/>.</summary>
    TBatch NextBatch(int count, TorchGenerator random);

    /// <summary>The loss of a batch: a function of the networks and the batch alone.</summary>
    LossParts Loss(TBatch batch);

    /// <summary>Looks at what the averaged weights make; null where there is nothing to see. The networks hold those weights meanwhile.</summary>
    Look? Sample();

    /// <summary>Writes the product. The networks hold the averaged weights meanwhile.</summary>
    void Export(string folder);
}
