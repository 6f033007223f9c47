namespace TorchSharp;

public static partial class torch
{
    // Tensors into one, and lists of tensors.
    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => Op.Call("cat", Listed(tensors), dim);
    public static Tensor cat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Op.Call("cat", tensors.ToArray(), dim);
    public static Tensor cat(Tensor[] tensors, long dim = 0) => Op.Call("cat", tensors, dim);
    public static Tensor concat(IList<Tensor> tensors, long dim = 0) => Op.Call("concat", Listed(tensors), dim);
    public static Tensor concat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Op.Call("concat", tensors.ToArray(), dim);
    public static Tensor concat(Tensor[] tensors, long dim = 0) => Op.Call("concat", tensors, dim);
    public static Tensor concatenate(IList<Tensor> tensors, long axis = 0) => Op.Call("cat", Listed(tensors), axis);
    public static Tensor concatenate(ReadOnlySpan<Tensor> tensors, long axis = 0) => Op.Call("cat", tensors.ToArray(), axis);
    public static Tensor concatenate(Tensor[] tensors, long axis = 0) => Op.Call("cat", tensors, axis);
    public static Tensor stack(IEnumerable<Tensor> tensors, long dim = 0) => Op.Call("stack", Listed(tensors), dim);

    public static Tensor vstack(IList<Tensor> tensors) => Op.Call("vstack", Listed(tensors));
    public static Tensor vstack(ReadOnlySpan<Tensor> tensors) => Op.Call("vstack", tensors.ToArray());
    public static Tensor vstack(Tensor[] tensors) => Op.Call("vstack", tensors);
    public static Tensor hstack(IEnumerable<Tensor> tensors) => Op.Call("hstack", Listed(tensors));
    public static Tensor hstack(IList<Tensor> tensors) => Op.Call("hstack", Listed(tensors));
    public static Tensor hstack(ReadOnlySpan<Tensor> tensors) => Op.Call("hstack", tensors.ToArray());
    public static Tensor hstack(params Tensor[] tensors) => Op.Call("hstack", tensors);
    public static Tensor dstack(IEnumerable<Tensor> tensors) => Op.Call("dstack", Listed(tensors));
    public static Tensor dstack(IList<Tensor> tensors) => Op.Call("dstack", Listed(tensors));
    public static Tensor dstack(ReadOnlySpan<Tensor> tensors) => Op.Call("dstack", tensors.ToArray());
    public static Tensor dstack(params Tensor[] tensors) => Op.Call("dstack", tensors);
    public static Tensor column_stack(IList<Tensor> tensors) => Op.Call("column_stack", Listed(tensors));
    public static Tensor column_stack(ReadOnlySpan<Tensor> tensors) => Op.Call("column_stack", tensors.ToArray());
    public static Tensor column_stack(params Tensor[] tensors) => Op.Call("column_stack", tensors);
    public static Tensor row_stack(IList<Tensor> tensors) => Op.Call("row_stack", Listed(tensors));
    public static Tensor row_stack(ReadOnlySpan<Tensor> tensors) => Op.Call("row_stack", tensors.ToArray());
    public static Tensor row_stack(params Tensor[] tensors) => Op.Call("row_stack", tensors);
    public static Tensor cartesian_prod(IList<Tensor> tensors) => Op.Call("cartesian_prod", Listed(tensors));
    public static Tensor cartesian_prod(ReadOnlySpan<Tensor> tensors) => Op.Call("cartesian_prod", tensors.ToArray());
    public static Tensor cartesian_prod(params Tensor[] tensors) => Op.Call("cartesian_prod", tensors);

    public static Tensor block_diag(params Tensor[] tensors) => Op.Call("block_diag", tensors);
    public static Tensor chain_matmul(params Tensor[] matrices) => Op.Call("linalg_multi_dot", matrices);

    /// <summary>Sums of products in Einstein's notation, such as "bij,bjk->bik".</summary>
    public static Tensor einsum(string equation, params Tensor[] tensors) => Op.Call("einsum", equation, tensors);

    public static Tensor[] meshgrid(IEnumerable<Tensor> tensors, string indexing = "ij") => Op.List("meshgrid.indexing", Listed(tensors), indexing);
    public static IList<Tensor> broadcast_tensors(params Tensor[] tensors) => Op.List("broadcast_tensors", tensors);
    public static IEnumerable<Tensor> atleast_1d(params Tensor[] input) => Op.List("atleast_1d.Sequence", input);
    public static IEnumerable<Tensor> atleast_2d(params Tensor[] input) => Op.List("atleast_2d.Sequence", input);
    public static IEnumerable<Tensor> atleast_3d(params Tensor[] input) => Op.List("atleast_3d.Sequence", input);

    /// <summary>The shape that all of these broadcast to.</summary>
    public static Size broadcast_shapes(params long[][] shapes)
    {
        var result = new long[shapes.Max(shape => shape.Length)];
        Array.Fill(result, 1);
        foreach (var shape in shapes)
        {
            for (var i = 1; i <= shape.Length; i++)
            {
                ref var length = ref result[^i];
                if (length == 1) length = shape[^i];
                else if (shape[^i] != 1 && shape[^i] != length)
                    throw new ArgumentException($"shapes [{string.Join(", ", shape)}] and [{string.Join(", ", result)}] do not broadcast", nameof(shapes));
            }
        }
        return new Size(result);
    }

    private static Tensor[] Listed(IEnumerable<Tensor> tensors) => tensors as Tensor[] ?? tensors.ToArray();
}
