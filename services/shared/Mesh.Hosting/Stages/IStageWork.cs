using Mesh.Batching;

namespace Mesh.Hosting.Stages;

/// <summary>What a stage does with a batch. Called on the device's thread alone.</summary>
/// <typeparam name="TModel">What is held in memory.</typeparam>
/// <typeparam name="TKey">What pieces of work must have in common to share a batch, the model aside.</typeparam>
/// <typeparam name="TItem">A piece of work.</typeparam>
/// <typeparam name="TResult">What becomes of it.</typeparam>
public interface IStageWork<TModel, TKey, TItem, TResult>
    where TModel : class, IDisposable
    where TKey : IEquatable<TKey>
{
    /// <summary>text, generator, decoder or upsampler.</summary>
    string Stage { get; }

    /// <summary>Computes a batch, giving each item's result as soon as it is there. What it throws fails those that have none yet.</summary>
    /// <param name="model">The model.</param>
    /// <param name="companion">A second model that the batch uses; null for none.</param>
    /// <param name="key">What the items have in common.</param>
    /// <param name="batch">The items, and where their results go.</param>
    void Run(TModel model, TModel? companion, TKey key, IBatch<TItem, TResult> batch);

    /// <summary>A batch that stands for the usual work, to warm the device and measure what batches cost.</summary>
    Rehearsal<TKey, TItem> Rehearse(TModel model, int size);
}

/// <summary>A batch to warm the device with.</summary>
/// <param name="Key">What the items have in common.</param>
/// <param name="Items">As many as were asked for.</param>
/// <param name="Weight">How many times as much the usual work costs.</param>
public sealed record Rehearsal<TKey, TItem>(TKey Key, IReadOnlyList<TItem> Items, double Weight = 1);
