namespace Mesh.Batching;

/// <summary>
/// A batch as what computes it sees it, on the device's thread. Its items either take turns (<see cref="Begin"/>, then <see cref="Complete"/>),
/// or go through the device together and are completed without turns. Whoever waits for an item goes on as soon as it has ended.
/// </summary>
/// <typeparam name="TItem">The work.</typeparam>
/// <typeparam name="TResult">What the device makes of one item.</typeparam>
public interface IBatch<out TItem, in TResult>
{
    /// <summary>The items, oldest first.</summary>
    IReadOnlyList<TItem> Items { get; }

    /// <summary>Cancelled once nobody wants any item that has not ended: stop where that is safe, by throwing.</summary>
    CancellationToken Unwanted { get; }

    /// <summary>Begins an item's turn, once. Its time on the device counts from here.</summary>
    /// <param name="index">Of the item.</param>
    /// <returns>False where it was cancelled or its deadline has passed: it has ended, and is not to be computed.</returns>
    bool Begin(int index);

    /// <summary>Ends an item with its result.</summary>
    /// <param name="index">Of the item.</param>
    /// <param name="result">What the device made of it.</param>
    /// <exception cref="InvalidOperationException">It has ended before.</exception>
    void Complete(int index, TResult result);

    /// <summary>Ends one item with a fault; the others go on.</summary>
    /// <param name="index">Of the item.</param>
    /// <param name="fault">What its caller is told.</param>
    /// <exception cref="InvalidOperationException">It has ended before.</exception>
    void Fail(int index, Exception fault);
}
