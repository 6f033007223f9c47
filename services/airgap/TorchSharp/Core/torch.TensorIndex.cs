namespace TorchSharp;

public static partial class torch
{
    /// <summary>One entry of an index expression: a number, a slice, an ellipsis, a new axis, a truth value or a tensor.</summary>
    public readonly struct TensorIndex
    {
        public static readonly TensorIndex Ellipsis = new(Form.Ellipsis);
        public static readonly TensorIndex None = new(Form.NewAxis);
        public static readonly TensorIndex Null = new(Form.NewAxis);
        public static readonly TensorIndex Colon = new(Form.Slice);

        private TensorIndex(Form form, long? first = null, long? stop = null, long? step = null, torch.Tensor? tensor = null)
        {
            (Kind, First, Stop, Step, Selector) = (form, first, stop, step, tensor);
        }

        internal enum Form
        {
            Slice,
            Single,
            Bool,
            Ellipsis,
            NewAxis,
            Tensor,
        }

        internal Form Kind { get; }

        /// <summary>The number, the truth value, or where a slice starts.</summary>
        internal long? First { get; }
        internal long? Stop { get; }
        internal long? Step { get; }
        internal torch.Tensor? Selector { get; }

        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) => new(Form.Slice, start, stop, step);
        public static TensorIndex Slice((int? start, int? end) range) => Slice(range.start, range.end);

        public static TensorIndex Slice(Range range)
        {
            long? start = range.Start.IsFromEnd ? -range.Start.Value : range.Start.Value;
            long? stop = !range.End.IsFromEnd ? range.End.Value : range.End.Value == 0 ? null : -range.End.Value;
            return Slice(start, stop);
        }

        public static TensorIndex Bool(bool value) => new(Form.Bool, value ? 1 : 0);
        public static TensorIndex Single(long? index) => new(Form.Single, index);
        public static TensorIndex Tensor(torch.Tensor tensor) => new(Form.Tensor, tensor: tensor);

        public static implicit operator TensorIndex(long value) => Single(value);
        public static implicit operator TensorIndex((int? start, int? end) range) => Slice(range);
        public static implicit operator TensorIndex(Range range) => Slice(range);
        public static implicit operator TensorIndex(Index index) => Single(index.IsFromEnd ? -index.Value : index.Value);
    }
}
