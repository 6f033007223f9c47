using System.Globalization;
using System.Runtime.CompilerServices;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public ScalarType dtype => (ScalarType)Info().Type;
        public Device device
        {
            get
            {
                var info = Info();
                return new Device((DeviceType)info.DeviceType, info.DeviceIndex);
            }
        }
        public DeviceType device_type => (DeviceType)Info().DeviceType;
        public int device_index => Info().DeviceIndex;
        public bool is_cuda => device_type == DeviceType.CUDA;
        public bool is_meta => device_type == DeviceType.META;
        public bool is_sparse => Info().Layout == 1;
        public long NumberOfElements => Info().Elements;
        public long ElementSize => Info().ElementSize;
        public long Dimensions => dim();
        public long ndim => dim();

        /// <summary>The length of every axis.</summary>
        public unsafe long[] shape
        {
            get
            {
                var sizes = new long[dim()];
                fixed (long* data = sizes) Native.Check(Native.mesh_sizes(Handle, data));
                GC.KeepAlive(this);
                return sizes;
            }
        }

        public string[]? names => null;
        public string? name { get; set; }

        public bool requires_grad
        {
            get => Ask(Question.RequiresGrad) != 0;
            set
            {
                Native.Check(Native.mesh_set_requires_grad(Handle, value ? 1 : 0));
                GC.KeepAlive(this);
            }
        }

        public bool is_leaf => Ask(Question.IsLeaf) != 0;

        public long dim()
        {
            var dimensions = Native.mesh_dimensions(Handle);
            GC.KeepAlive(this);
            return dimensions;
        }

        public long numel() => Info().Elements;
        public long element_size() => Info().ElementSize;
        public long[] size() => shape;

        /// <summary>The length of one axis; negative counts from the last.</summary>
        public long size(int dim) => shape[Axis(dim)];

        public unsafe long[] stride()
        {
            var strides = new long[dim()];
            fixed (long* data = strides) Native.Check(Native.mesh_strides(Handle, data));
            GC.KeepAlive(this);
            return strides;
        }

        public long stride(int dim) => stride()[Axis(dim)];
        public long storage_offset() => Ask(Question.StorageOffset);
        public bool is_contiguous() => Ask(Question.IsContiguous) != 0;
        public bool is_cpu() => device_type == DeviceType.CPU;
        public bool is_conj() => Ask(Question.IsConjugate) != 0;
        public bool is_neg() => Ask(Question.IsNegative) != 0;
        public bool is_pinned() => Ask(Question.IsPinned) != 0;
        public bool is_floating_point() => torch.is_floating_point(dtype);
        public bool is_integral() => torch.is_integral(dtype);
        public bool is_complex() => torch.is_complex(dtype);
        public bool is_nonzero() => Op.Test("is_nonzero", this);
        public bool has_names() => false;

        /// <summary>Whether every element lies where channels-last order (NHWC, for 4 axes) would have it.</summary>
        internal bool IsChannelsLast => Ask(Question.IsChannelsLast) != 0;

        /// <summary>Made under inference mode, so that autograd does not know it.</summary>
        internal bool IsInference => Ask(Question.IsInference) != 0;

        /// <summary>How often the data has been changed in place. Inference tensors do not count and give 0.</summary>
        internal long Version => IsInference ? 0 : Ask(Question.Version);

        internal unsafe void* DataPointer
        {
            get
            {
                var data = Native.mesh_data(Handle);
                GC.KeepAlive(this);
                return data;
            }
        }

        internal unsafe TensorInfo Info()
        {
            Unsafe.SkipInit(out TensorInfo info);
            Native.Check(Native.mesh_info(Handle, &info));
            GC.KeepAlive(this);
            return info;
        }

        private long Ask(Question question)
        {
            var answer = Native.mesh_ask(Handle, question);
            GC.KeepAlive(this);
            Native.Check(answer);
            return answer;
        }

        private int Axis(int dim)
        {
            var count = (int)this.dim();
            if (dim < -count || dim >= count)
                throw new ArgumentOutOfRangeException(nameof(dim), string.Create(CultureInfo.InvariantCulture, $"axis {dim} of a tensor of {count} axes"));
            return dim < 0 ? dim + count : dim;
        }
    }
}
