namespace TorchSharp;

public static partial class torch
{
    // Arithmetic and comparison operators.
    public partial class Tensor
    {
        public static Tensor operator +(Tensor left, Tensor right) => Op.Call("add.Tensor", left, right);
        public static Tensor operator +(Tensor left, Scalar right) => Op.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, int right) => Op.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, long right) => Op.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, float right) => Op.Call("add.Scalar", left, right);
        public static Tensor operator +(Tensor left, double right) => Op.Call("add.Scalar", left, right);
        public static Tensor operator +(Scalar left, Tensor right) => Op.Call("add.Scalar", right, left);
        public static Tensor operator +(int left, Tensor right) => Op.Call("add.Scalar", right, left);
        public static Tensor operator +(long left, Tensor right) => Op.Call("add.Scalar", right, left);
        public static Tensor operator +(float left, Tensor right) => Op.Call("add.Scalar", right, left);
        public static Tensor operator +(double left, Tensor right) => Op.Call("add.Scalar", right, left);

        public static Tensor operator -(Tensor left, Tensor right) => Op.Call("sub.Tensor", left, right);
        public static Tensor operator -(Tensor left, Scalar right) => Op.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, int right) => Op.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, long right) => Op.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, float right) => Op.Call("sub.Scalar", left, right);
        public static Tensor operator -(Tensor left, double right) => Op.Call("sub.Scalar", left, right);
        public static Tensor operator -(Scalar left, Tensor right) => Op.Call("rsub.Scalar", right, left);
        public static Tensor operator -(int left, Tensor right) => Op.Call("rsub.Scalar", right, left);
        public static Tensor operator -(long left, Tensor right) => Op.Call("rsub.Scalar", right, left);
        public static Tensor operator -(float left, Tensor right) => Op.Call("rsub.Scalar", right, left);
        public static Tensor operator -(double left, Tensor right) => Op.Call("rsub.Scalar", right, left);

        public static Tensor operator *(Tensor left, Tensor right) => Op.Call("mul.Tensor", left, right);
        public static Tensor operator *(Tensor left, Scalar right) => Op.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, int right) => Op.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, long right) => Op.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, float right) => Op.Call("mul.Scalar", left, right);
        public static Tensor operator *(Tensor left, double right) => Op.Call("mul.Scalar", left, right);
        public static Tensor operator *(Scalar left, Tensor right) => Op.Call("mul.Scalar", right, left);
        public static Tensor operator *(int left, Tensor right) => Op.Call("mul.Scalar", right, left);
        public static Tensor operator *(long left, Tensor right) => Op.Call("mul.Scalar", right, left);
        public static Tensor operator *(float left, Tensor right) => Op.Call("mul.Scalar", right, left);
        public static Tensor operator *(double left, Tensor right) => Op.Call("mul.Scalar", right, left);

        public static Tensor operator /(Tensor left, Tensor right) => Op.Call("div.Tensor", left, right);
        public static Tensor operator /(Tensor left, Scalar right) => Op.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, int right) => Op.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, long right) => Op.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, float right) => Op.Call("div.Scalar", left, right);
        public static Tensor operator /(Tensor left, double right) => Op.Call("div.Scalar", left, right);
        public static Tensor operator /(Scalar left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(int left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(long left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(float left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(double left, Tensor right) => Quotient(left, right);

        public static Tensor operator %(Tensor left, Tensor right) => Op.Call("remainder.Tensor", left, right);
        public static Tensor operator %(Tensor left, Scalar right) => Op.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, int right) => Op.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, long right) => Op.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, float right) => Op.Call("remainder.Scalar", left, right);
        public static Tensor operator %(Tensor left, double right) => Op.Call("remainder.Scalar", left, right);

        public static Tensor operator -(Tensor tensor) => Op.Call("neg", tensor);
        public static Tensor operator ~(Tensor left) => Op.Call("bitwise_not", left);
        public static Tensor operator &(Tensor left, Tensor right) => Op.Call("bitwise_and.Tensor", left, right);
        public static Tensor operator |(Tensor left, Tensor right) => Op.Call("bitwise_or.Tensor", left, right);
        public static Tensor operator ^(Tensor left, Tensor right) => Op.Call("bitwise_xor.Tensor", left, right);

        public static Tensor operator ==(Tensor left, Tensor right) => Op.Call("eq.Tensor", left, right);
        public static Tensor operator ==(Tensor left, Scalar right) => Op.Call("eq.Scalar", left, right);
        public static Tensor operator ==(Scalar left, Tensor right) => Op.Call("eq.Scalar", right, left);
        public static Tensor operator !=(Tensor left, Tensor right) => Op.Call("ne.Tensor", left, right);
        public static Tensor operator !=(Tensor left, Scalar right) => Op.Call("ne.Scalar", left, right);
        public static Tensor operator !=(Scalar left, Tensor right) => Op.Call("ne.Scalar", right, left);
        public static Tensor operator <(Tensor left, Tensor right) => Op.Call("lt.Tensor", left, right);
        public static Tensor operator <(Tensor left, Scalar right) => Op.Call("lt.Scalar", left, right);
        public static Tensor operator <(Scalar left, Tensor right) => Op.Call("gt.Scalar", right, left);
        public static Tensor operator <=(Tensor left, Tensor right) => Op.Call("le.Tensor", left, right);
        public static Tensor operator <=(Tensor left, Scalar right) => Op.Call("le.Scalar", left, right);
        public static Tensor operator <=(Scalar left, Tensor right) => Op.Call("ge.Scalar", right, left);
        public static Tensor operator >(Tensor left, Tensor right) => Op.Call("gt.Tensor", left, right);
        public static Tensor operator >(Tensor left, Scalar right) => Op.Call("gt.Scalar", left, right);
        public static Tensor operator >(Scalar left, Tensor right) => Op.Call("lt.Scalar", right, left);
        public static Tensor operator >=(Tensor left, Tensor right) => Op.Call("ge.Tensor", left, right);
        public static Tensor operator >=(Tensor left, Scalar right) => Op.Call("ge.Scalar", left, right);
        public static Tensor operator >=(Scalar left, Tensor right) => Op.Call("le.Scalar", right, left);

        private static Tensor Quotient(Arg left, Tensor right)
        {
            using var inverse = Op.Call("reciprocal", right);
            return Op.Call("mul.Scalar", inverse, left);
        }
    }
}
