namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>The gradient that backward has summed up, or null.</summary>
        public Tensor? grad
        {
            get
            {
                var gradient = Wrap(Native.mesh_grad(Handle));
                GC.KeepAlive(this);
                return gradient;
            }

            set
            {
                Native.Check(Native.mesh_set_grad(Handle, value?.Handle ?? 0));
                GC.KeepAlive(this);
                GC.KeepAlive(value);
            }
        }

        public void backward() => autograd.backward([this], null, null, false, null);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward([this], grad_tensors, retain_graph, create_graph, inputs);

        /// <summary>Keeps the gradient of a tensor that is no leaf.</summary>
        public void retain_grad()
        {
            Native.Check(Native.mesh_retain_grad(Handle));
            GC.KeepAlive(this);
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);
    }

    public static partial class autograd
    {
        /// <summary>Sums the gradients of the tensors into the leaves that they were made from, or into <paramref name="inputs"/> alone.</summary>
        public static unsafe void backward(
            IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            nint[] roots = Handles(tensors), grads = Handles(grad_tensors), leaves = Handles(inputs);
            int result;
            fixed (nint* r = roots, g = grads, l = leaves)
            {
                var retain = (retain_graph ?? create_graph) ? 1 : 0;
                result = Native.mesh_backward(r, roots.Length, g, grads.Length, retain, create_graph ? 1 : 0, l, leaves.Length);
            }
            GC.KeepAlive(tensors);
            GC.KeepAlive(grad_tensors);
            GC.KeepAlive(inputs);
            Native.Check(result);
        }

        public static void backward(
            Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        public static void backward(
            Tensor tensor, Tensor grad_tensor, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        /// <summary>
        /// The gradients of the outputs with respect to the inputs, which gather nothing themselves. An input that the outputs do not
        /// depend on is an error, or null with <paramref name="allow_unused"/>.
        /// </summary>
        public static unsafe IList<Tensor> grad(
            IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false,
            bool allow_unused = false)
        {
            nint[] roots = Handles(outputs), leaves = Handles(inputs), grads = Handles(grad_outputs);
            Value list;
            int result;
            fixed (nint* r = roots, l = leaves, g = grads)
            {
                var retain = retain_graph || create_graph ? 1 : 0;
                result = Native.mesh_autograd(
                    r, roots.Length, l, leaves.Length, g, grads.Length, retain, create_graph ? 1 : 0, allow_unused ? 1 : 0, &list);
            }
            GC.KeepAlive(outputs);
            GC.KeepAlive(inputs);
            GC.KeepAlive(grad_outputs);
            Native.Check(result);
            return Op.TakeList(list);
        }

        private static nint[] Handles(IList<Tensor>? tensors) => tensors is null ? [] : tensors.Select(tensor => tensor?.Handle ?? 0).ToArray();
    }
}
