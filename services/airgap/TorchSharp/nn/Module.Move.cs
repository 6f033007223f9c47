namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            /// <summary>
            /// Moves all parameters and buffers to a device and converts the floating-point ones, in place: fields that held the old tensors
            /// hold the new ones, and the old ones are disposed of.
            /// </summary>
            internal void Move(Device? device, ScalarType? dtype)
            {
                if (dtype is { } wanted && !IsFloating(wanted))
                    throw new ArgumentException($"A module can be converted to floating-point types only, not to {wanted}.", nameof(dtype));
                if (device is not null && device.type == DeviceType.CUDA && !cuda.is_available())
                    throw new InvalidOperationException("CUDA is not available.");
                foreach (var (_, child) in named_children()) child.Move(device, dtype);
                foreach (var (name, parameter) in _internal_params.ToList())
                {
                    if (!NeedsMove(parameter, device, dtype)) continue;
                    var moved = Moved(parameter, device, dtype);
                    ReplaceInFields(parameter, moved);
                    ConditionallyRegisterParameter(name, moved);
                    parameter.Dispose();
                }
                foreach (var (name, (buffer, persistent)) in _internal_buffers.ToList())
                {
                    if (!NeedsMove(buffer, device, dtype)) continue;
                    using var none = no_grad();
                    var moved = buffer.to(Target(buffer, dtype), device ?? buffer.device);
                    ReplaceInFields(buffer, moved);
                    ConditionallyRegisterBuffer(name, moved, persistent);
                    buffer.Dispose();
                }
                DropCaches();
            }

            /// <summary>A built-in module that keeps a component outside a field of its own type takes the replacement here.</summary>
            internal virtual void Replaced(Tensor old, Tensor moved)
            {
            }

            private static Modules.Parameter Moved(Modules.Parameter parameter, Device? device, ScalarType? dtype)
            {
                using var none = no_grad();
                var moved = new Modules.Parameter(parameter.to(Target(parameter, dtype), device ?? parameter.device), parameter.requires_grad);
                using var gradient = parameter.grad;
                if (gradient is not null)
                {
                    using var movedGradient = gradient.to(Target(gradient, dtype), device ?? gradient.device);
                    moved.grad = movedGradient;
                }
                return moved;
            }

            private static bool IsFloating(ScalarType type) =>
                type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 or ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64;

            private static ScalarType Target(Tensor tensor, ScalarType? dtype) =>
                dtype is { } wanted && IsFloating(tensor.dtype) ? wanted : tensor.dtype;

            private static bool NeedsMove(Tensor tensor, Device? device, ScalarType? dtype) =>
                Target(tensor, dtype) != tensor.dtype
                || (device is not null && (device.type != tensor.device_type || (device.type == DeviceType.CUDA && device.index >= 0 && device.index != tensor.device_index)));

            private void ReplaceInFields(Tensor old, Tensor moved)
            {
                for (var type = GetType(); type is not null && type != typeof(Module); type = type.BaseType)
                    foreach (var field in type.GetFields(InstanceFields | System.Reflection.BindingFlags.DeclaredOnly))
                        if (typeof(Tensor).IsAssignableFrom(field.FieldType) && ReferenceEquals(field.GetValue(this), old)) field.SetValue(this, moved);
                Replaced(old, moved);
            }
        }
    }
}

public static class ModuleExtensionMethods
{
    public static T to<T>(this T module, torch.Device device, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, device, null);

    public static T to<T>(this T module, torch.Device device, torch.ScalarType type, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, device, type);

    public static T to<T>(this T module, torch.ScalarType type, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, null, type);

    public static T to<T>(this T module, DeviceType deviceType, int deviceIndex = -1, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, new torch.Device(deviceType, deviceIndex), null);

    public static T to<T>(this T module, string device, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, new torch.Device(device), null);

    public static T to<T>(this T module, torch.Tensor other, bool non_blocking = false)
        where T : torch.nn.Module
    {
        ArgumentNullException.ThrowIfNull(other);
        return Moved(module, other.device, other.dtype);
    }

    public static T cpu<T>(this T module, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, new torch.Device(DeviceType.CPU), null);

    public static T cuda<T>(this T module, int deviceIndex = -1, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, new torch.Device(DeviceType.CUDA, deviceIndex), null);

    public static T half<T>(this T module, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, null, torch.ScalarType.Float16);

    public static T bfloat16<T>(this T module, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, null, torch.ScalarType.BFloat16);

    public static T @float<T>(this T module, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, null, torch.ScalarType.Float32);

    public static T @double<T>(this T module, bool non_blocking = false)
        where T : torch.nn.Module => Moved(module, null, torch.ScalarType.Float64);

    private static T Moved<T>(T module, torch.Device? device, torch.ScalarType? type)
        where T : torch.nn.Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.Move(device, type);
        return module;
    }
}
