using System.Numerics;

namespace TorchSharp;

public static partial class torch
{
    // Elements in managed hands.
    public partial class Tensor
    {
        /// <summary>The memory of a contiguous tensor on the CPU, as bytes; setting copies into it.</summary>
        public unsafe Span<byte> bytes
        {
            get
            {
                if (!is_contiguous()) throw new NotImplementedException("Bytes() called on non-contiguous tensor.");
                Readable();
                return new Span<byte>(DataPointer, checked((int)(numel() * element_size())));
            }

            set
            {
                if (value.Length != numel() * element_size())
                    throw new ArgumentException("Mismatched data sizes in SetBytes().", nameof(value));
                value.CopyTo(bytes);
            }
        }

        /// <summary>The elements in order, read and written in place (a copy's, on another device). The managed type must be the element type's.</summary>
        public Utils.TensorAccessor<T> data<T>()
            where T : unmanaged
        {
            Fits(typeof(T));
            return new Utils.TensorAccessor<T>(device_type == DeviceType.CPU ? this : cpu());
        }

        /// <summary>The one element of a tensor that has one.</summary>
        public unsafe T item<T>()
            where T : unmanaged
        {
            if (numel() != 1) throw new ArgumentException("Number of elements in the tensor must be 1");
            Fits(typeof(T));
            if (device_type != DeviceType.CPU)
            {
                using var here = cpu();
                return here.item<T>();
            }
            var element = *(T*)DataPointer;
            GC.KeepAlive(this);
            return element;
        }

        public Scalar ToScalar() => Op.Number("_local_scalar_dense", this);

        public T ReadCpuValue<T>(long i)
            where T : unmanaged => data<T>()[i];

        public bool ReadCpuBool(long i) => data<bool>()[i];
        public byte ReadCpuByte(long i) => data<byte>()[i];
        public sbyte ReadCpuSByte(long i) => data<sbyte>()[i];
        public short ReadCpuInt16(long i) => data<short>()[i];
        public int ReadCpuInt32(long i) => data<int>()[i];
        public long ReadCpuInt64(long i) => data<long>()[i];
        public float ReadCpuSingle(long i) => data<float>()[i];
        public double ReadCpuDouble(long i) => data<double>()[i];
        public float ReadCpuFloat16(long i) => (float)data<Half>()[i];
        public float ReadCpuBFloat16(long i) => data<BFloat16>()[i].ToSingle();

        /// <summary>Fills the memory of a contiguous tensor on the CPU from a stream.</summary>
        public void ReadBytesFromStream(Stream stream, int bufferSize = 1024)
        {
            var size = numel() * element_size();
            for (var done = 0L; done < size;)
            {
                var part = Part(done, Math.Min(size - done, 1 << 30));
                stream.ReadExactly(part);
                done += part.Length;
            }
        }

        public void WriteBytesToStream(Stream stream, int bufferSize = 1024)
        {
            var size = numel() * element_size();
            for (var done = 0L; done < size;)
            {
                var part = Part(done, Math.Min(size - done, 1 << 30));
                stream.Write(part);
                done += part.Length;
            }
        }

        public bool allclose(Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) =>
            Op.Test("allclose", this, target, rtol, atol, equal_nan);

        /// <summary>The same shape and elements.</summary>
        public bool Equals(Tensor? target) => target is not null && (ReferenceEquals(this, target) || Op.Test("equal", this, target));

        public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

        public override int GetHashCode() => _handle.GetHashCode();

        public static explicit operator float(Tensor value) => value.ToScalar().ToSingle();
        public static explicit operator double(Tensor value) => value.ToScalar().ToDouble();
        public static explicit operator sbyte(Tensor value) => value.ToScalar().ToSByte();
        public static explicit operator byte(Tensor value) => value.ToScalar().ToByte();
        public static explicit operator short(Tensor value) => value.ToScalar().ToInt16();
        public static explicit operator int(Tensor value) => value.ToScalar().ToInt32();
        public static explicit operator long(Tensor value) => value.ToScalar().ToInt64();
        public static explicit operator bool(Tensor value) => value.ToScalar().ToBoolean();

        public static implicit operator Tensor(bool value) => tensor(value);
        public static implicit operator Tensor(byte value) => tensor(value);
        public static implicit operator Tensor(sbyte value) => tensor(value);
        public static implicit operator Tensor(short value) => tensor(value);
        public static implicit operator Tensor(int value) => tensor(value);
        public static implicit operator Tensor(long value) => tensor(value);
        public static implicit operator Tensor(float value) => tensor(value);
        public static implicit operator Tensor(double value) => tensor(value);
        public static implicit operator Tensor((float, float) value) => tensor(value);
        public static implicit operator Tensor(Complex value) => tensor(value);
        public static implicit operator Tensor(Scalar scalar) => full([], scalar);
        public static implicit operator Tensor(bool[] value) => tensor(value);
        public static implicit operator Tensor(byte[] value) => tensor(value);
        public static implicit operator Tensor(sbyte[] value) => tensor(value);
        public static implicit operator Tensor(short[] value) => tensor(value);
        public static implicit operator Tensor(int[] value) => tensor(value);
        public static implicit operator Tensor(long[] value) => tensor(value);
        public static implicit operator Tensor(float[] value) => tensor(value);
        public static implicit operator Tensor(double[] value) => tensor(value);
        public static implicit operator Tensor((float, float)[] value) => tensor(value);
        public static implicit operator Tensor(Complex[] value) => tensor(value);

        private unsafe Span<byte> Part(long from, long count)
        {
            if (!is_contiguous()) throw new NotImplementedException("the memory of a tensor that is not contiguous");
            Readable();
            return new Span<byte>((byte*)DataPointer + from, (int)count);
        }

        private void Fits(Type type)
        {
            if (TypeOf(type) != dtype) throw new ArgumentException($"{type.Name} is not compatible with {dtype}");
        }

        private void Readable()
        {
            if (device_type != DeviceType.CPU)
                throw new InvalidOperationException("Reading data from non-CPU memory is not supported. Move or copy the tensor to the cpu before reading.");
        }
    }
}
