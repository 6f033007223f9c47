using System.Runtime.ExceptionServices;

namespace Mesh.Batching;

/// <summary>What is common to batches of items that take turns.</summary>
public static class Batches
{
    /// <summary>
    /// Computes item after item, each answered before the next begins. One that nobody wants by its turn is passed over; one that throws fails
    /// alone. Throws once nobody wants anything that is left.
    /// </summary>
    /// <param name="batch">The batch.</param>
    /// <param name="compute">Makes an item's result.</param>
    public static void Each<TItem, TResult>(this IBatch<TItem, TResult> batch, Func<TItem, TResult> compute)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(compute);
        for (var i = 0; i < batch.Items.Count; i++)
        {
            batch.Unwanted.ThrowIfCancellationRequested();
            if (!batch.Begin(i)) continue;
            TResult result;
            try
            {
                result = compute(batch.Items[i]);
            }
#pragma warning disable CA1031 // Whatever it is, it is this item's: its caller is told, and the others of the batch go on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                batch.Fail(i, e);
                continue;
            }
            batch.Complete(i, result);
        }
    }

    /// <summary>A batch that nobody waits for: results are dropped, and faults thrown where they happen.</summary>
    /// <param name="items">At least one.</param>
    public static IBatch<TItem, TResult> ForNobody<TItem, TResult>(IReadOnlyList<TItem> items) => new Rehearsed<TItem, TResult>(items);

    private sealed class Rehearsed<TItem, TResult>(IReadOnlyList<TItem> items) : IBatch<TItem, TResult>
    {
        public IReadOnlyList<TItem> Items => items;

        public CancellationToken Unwanted => CancellationToken.None;

        public bool Begin(int index) => true;

        public void Complete(int index, TResult result)
        {
            // Nobody waits for it.
        }

        public void Fail(int index, Exception fault) => ExceptionDispatchInfo.Throw(fault);
    }
}
