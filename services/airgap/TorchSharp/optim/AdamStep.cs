using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>One step of Adam (Kingma and Ba 2015; decoupled decay: Loshchilov and Hutter 2019; the maximum: Reddi et al. 2018) over lists of tensors.</summary>
internal readonly record struct AdamStep(
    double Rate, double Beta1, double Beta2, double Epsilon, double Decay, bool Decoupled, bool Maximize, long Step)
{
    internal void Apply(Tensor[] parameters, Tensor[] gradients, Tensor[] means, Tensor[] squares, Tensor[]? largest)
    {
        if (Maximize) gradients = Op.List("_foreach_neg", gradients);
        if (Decay != 0)
        {
            if (Decoupled) Op.Run("_foreach_mul_.Scalar", parameters, 1 - Rate * Decay);
            else gradients = Op.List("_foreach_add.List", gradients, parameters, Decay);
        }
        Op.Run("_foreach_mul_.Scalar", means, Beta1);
        Op.Run("_foreach_add_.List", means, gradients, 1 - Beta1);
        Op.Run("_foreach_mul_.Scalar", squares, Beta2);
        Op.Run("_foreach_addcmul_.Scalar", squares, gradients, gradients, 1 - Beta2);
        // The running means start at zero; these undo the bias of that.
        var correction1 = 1 - Math.Pow(Beta1, Step);
        var correction2 = 1 - Math.Pow(Beta2, Step);
        if (largest is not null)
            for (var i = 0; i < largest.Length; i++) Op.Run("maximum.out", largest[i], squares[i], largest[i]);
        var roots = Op.List("_foreach_sqrt", largest ?? squares);
        Op.Run("_foreach_div_.Scalar", roots, Math.Sqrt(correction2));
        Op.Run("_foreach_add_.Scalar", roots, Epsilon);
        Op.Run("_foreach_addcdiv_.Scalar", parameters, means, roots, -Rate / correction1);
    }
}
