namespace TorchSharp;

public static partial class torch
{
    // Products, decompositions and solves.
    public partial class Tensor
    {
        public Tensor addbmm(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) => Op.Call("addbmm", this, batch1, batch2, beta, alpha);
        public Tensor addbmm_(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) => Op.InPlace("addbmm_", this, batch1, batch2, beta, alpha);
        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) => Op.Call("addmm", this, mat1, mat2, beta, alpha);
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) => Op.InPlace("addmm_", this, mat1, mat2, beta, alpha);
        public Tensor addmv(Tensor mat, Tensor vec, float beta = 1, float alpha = 1) => Op.Call("addmv", this, mat, vec, beta, alpha);
        public Tensor addmv_(Tensor mat, Tensor vec, float beta = 1, float alpha = 1) => Op.InPlace("addmv_", this, mat, vec, beta, alpha);
        public Tensor addr(Tensor vec1, Tensor vec2, float beta = 1, float alpha = 1) => Op.Call("addr", this, vec1, vec2, beta, alpha);
        public Tensor addr_(Tensor vec1, Tensor vec2, float beta = 1, float alpha = 1) => Op.InPlace("addr_", this, vec1, vec2, beta, alpha);
        public Tensor baddbmm(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) => Op.Call("baddbmm", this, batch1, batch2, beta, alpha);
        public Tensor bmm(Tensor batch2) => Op.Call("bmm", this, batch2);
        public Tensor cholesky(bool upper = false) => Op.Call("cholesky", this, upper);
        public Tensor cholesky_inverse(bool upper = false) => Op.Call("cholesky_inverse", this, upper);
        public Tensor cholesky_solve(Tensor input2, bool upper = false) => Op.Call("cholesky_solve", this, input2, upper);
        public Tensor det() => Op.Call("det", this);
        public Tensor dist(Tensor other, float p = 2) => Op.Call("dist", this, other, p);
        public Tensor dot(Tensor target) => Op.Call("dot", this, target);
        public (Tensor a, Tensor tau) geqrf() => Op.Call2("geqrf", this);
        public Tensor ger(Tensor vec2) => Op.Call("ger", this, vec2);
        public Tensor inner(Tensor vec2) => Op.Call("inner", this, vec2);
        public Tensor inverse() => Op.Call("inverse", this);
        public Tensor kron(Tensor other) => Op.Call("kron", this, other);
        public Tensor logdet() => Op.Call("logdet", this);
        public Tensor matmul(Tensor target) => Op.Call("matmul", this, target);
        public Tensor matrix_exp() => Op.Call("matrix_exp", this);
        public Tensor matrix_power(int n) => Op.Call("matrix_power", this, n);
        public Tensor mm(Tensor target) => Op.Call("mm", this, target);
        public Tensor mv(Tensor target) => Op.Call("mv", this, target);
        public Tensor ormqr(Tensor tau, Tensor other, bool left = true, bool transpose = false) => Op.Call("ormqr", this, tau, other, left, transpose);
        public Tensor outer(Tensor vec2) => Op.Call("outer", this, vec2);
        public Tensor tensordot(Tensor b, long[] dims1, long[] dims2) => Op.Call("tensordot", this, b, dims1, dims2);
        public Tensor trace() => Op.Call("trace", this);
        public Tensor vdot(Tensor target) => Op.Call("vdot", this, target);
    }
}
