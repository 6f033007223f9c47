namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Indexes as Python does: numbers, slices, ellipses and new axes give a view; tensors and truth values gather a copy.</summary>
        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[params TensorIndex[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[params Tensor[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[params long[] indices]
        {
            get => At(indices);
            set => Assign(At(indices), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1]
        {
            get => At([i1]);
            set => Assign(At([i1]), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1, long i2]
        {
            get => At([i1, i2]);
            set => Assign(At([i1, i2]), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3]
        {
            get => At([i1, i2, i3]);
            set => Assign(At([i1, i2, i3]), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4]
        {
            get => At([i1, i2, i3, i4]);
            set => Assign(At([i1, i2, i3, i4]), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4, long i5]
        {
            get => At([i1, i2, i3, i4, i5]);
            set => Assign(At([i1, i2, i3, i4, i5]), value);
        }

        [System.Runtime.CompilerServices.IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4, long i5, long i6]
        {
            get => At([i1, i2, i3, i4, i5, i6]);
            set => Assign(At([i1, i2, i3, i4, i5, i6]), value);
        }

        public Tensor index(params TensorIndex[] indices)
        {
            var (view, selectors) = View(indices);
            if (selectors is null) return ReferenceEquals(view, this) ? alias() : view;
            var result = Op.Call("index.Tensor", view, selectors);
            Release(view);
            return result;
        }

        public Tensor index(params Tensor[] indices) => Op.Call("index.Tensor", this, indices);

        public Tensor index_put_(Tensor value, params TensorIndex[] indices)
        {
            var (view, selectors) = View(indices);
            if (selectors is null) Fill(view, value);
            else Op.Run("index_put_", view, selectors, value);
            Release(view);
            return this;
        }

        public Tensor index_put_(Tensor value, params Tensor[] indices) => Op.InPlace("index_put_", this, indices, value);
        public Tensor index_put_(Scalar value, params TensorIndex[] indices) => index_put_(ScalarTensor(value), indices);
        public Tensor index_put_(Scalar value, params Tensor[] indices) => index_put_(ScalarTensor(value), indices);

        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            if (!accumulate) return index_put_(value, indices);
            var (view, selectors) = View(indices);
            if (selectors is null) Op.Run("add_.Tensor", view, value);
            else Op.Run("index_put_", view, selectors, value, true);
            Release(view);
            return this;
        }

        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) => Op.InPlace("index_put_", this, indices, value, accumulate);

        private Tensor At(long[] indices)
        {
            var view = this;
            foreach (var i in indices) view = Step(view, Op.Call("select.int", view, 0, i));
            return ReferenceEquals(view, this) ? alias() : view;
        }

        private static void Assign(Tensor view, Tensor value)
        {
            Fill(view, value);
            view.Dispose();
        }

        private static void Fill(Tensor view, Tensor value)
        {
            // A value may have extra leading axes of length one, as in Python.
            var extra = (int)(value.dim() - view.dim());
            if (extra <= 0 || value.shape.Take(extra).Any(length => length != 1))
            {
                Op.Run("copy_", view, value);
                return;
            }
            using var trimmed = Op.Call("reshape", value, value.shape[extra..]);
            Op.Run("copy_", view, trimmed);
        }

        private Tensor ScalarTensor(Scalar value) => Op.Call("full", Array.Empty<long>(), value, dtype, Arg.None, device);

        /// <summary>The view that the basic entries make, and the selecting tensors where there are any.</summary>
        private (Tensor View, Tensor?[]? Selectors) View(TensorIndex[] indices)
        {
            var view = this;
            var axis = 0;
            var selectors = new List<(int Axis, Tensor Tensor)>();
            foreach (var entry in indices)
            {
                switch (entry.Kind)
                {
                    case TensorIndex.Form.Single:
                        view = Step(view, Op.Call("select.int", view, axis, entry.First ?? 0));
                        break;
                    case TensorIndex.Form.Slice:
                        if (entry is { First: null, Stop: null, Step: null }) axis++;
                        else view = Step(view, Op.Call("slice.Tensor", view, axis++, entry.First, entry.Stop, entry.Step ?? 1));
                        break;
                    case TensorIndex.Form.Ellipsis:
                        axis += (int)dim() - indices.Sum(Consumed);
                        break;
                    case TensorIndex.Form.NewAxis:
                        view = Step(view, Op.Call("unsqueeze", view, axis++));
                        break;
                    case TensorIndex.Form.Bool:
                        view = Step(view, Op.Call("unsqueeze", view, axis));
                        selectors.Add((axis++, Op.Call("full", new long[] { entry.First == 0 ? 0 : 1 }, 0, ScalarType.Int64, Arg.None, device)));
                        break;
                    default:
                        selectors.Add((axis, entry.Selector!));
                        axis += Consumed(entry);
                        break;
                }
            }
            if (selectors.Count == 0) return (view, null);
            var placed = new Tensor?[axis];
            foreach (var (at, tensor) in selectors) placed[at] = tensor;
            return (view, Compact(placed, selectors));
        }

        // A truth-value selector covers as many axes as it has, yet is one entry of the list that libtorch takes.
        private static Tensor?[] Compact(Tensor?[] placed, List<(int Axis, Tensor Tensor)> selectors)
        {
            var covered = new HashSet<int>();
            foreach (var (at, tensor) in selectors)
                if (tensor.dtype is ScalarType.Bool)
                    for (var i = 1; i < tensor.dim(); i++)
                        covered.Add(at + i);
            return placed.Where((_, at) => !covered.Contains(at)).ToArray();
        }

        private static int Consumed(TensorIndex entry) => entry.Kind switch
        {
            TensorIndex.Form.Single or TensorIndex.Form.Slice => 1,
            TensorIndex.Form.Tensor => entry.Selector!.dtype == ScalarType.Bool ? (int)entry.Selector.dim() : 1,
            _ => 0,
        };

        private Tensor Step(Tensor from, Tensor to)
        {
            if (!ReferenceEquals(from, this)) from.Dispose();
            return to;
        }

        private void Release(Tensor view)
        {
            if (!ReferenceEquals(view, this)) view.Dispose();
        }
    }
}
