#!/bin/sh
# build.sh OUT.so: compiles mesh_*.cpp against Debian's libtorch, or against the one that MESH_LIBTORCH names.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
missing='install what it needs: apt-get install libtorch-dev libdnnl-dev libopenblas0-pthread g++ (or point MESH_LIBTORCH to a libtorch)'
command -v g++ >/dev/null || { echo "mesh_torch: g++ is missing; $missing" >&2; exit 1; }

if [ -n "${MESH_LIBTORCH:-}" ]; then
    include=$MESH_LIBTORCH/include
    lib=$MESH_LIBTORCH/lib
    flags="-I$include -I$include/torch/csrc/api/include"
    # Builds before 2.6 may have the old string layout: the names in libc10 tell.
    grep -q '__cxx11' "$lib/libc10.so" || flags="$flags -D_GLIBCXX_USE_CXX11_ABI=0"
else
    include=/usr/include
    lib=$(dirname "$(ls /usr/lib/*/libtorch_cpu.so /usr/lib/libtorch_cpu.so 2>/dev/null | head -1)")
    flags="-I$include/torch/csrc/api/include"
    # The oneDNN that this libtorch runs on, where its headers are there.
    if [ -e "$include/dnnl.hpp" ]; then
        flags="$flags -DMESH_ONEDNN"
        onednn=-ldnnl
    fi
fi
[ -e "$lib/libtorch_cpu.so" ] && [ -e "$include/ATen/core/Tensor.h" ] || { echo "mesh_torch: no libtorch in $include and $lib; $missing" >&2; exit 1; }

libs="-ltorch -ltorch_cpu -lc10 ${onednn:-}"
if [ -e "$lib/libtorch_cuda.so" ]; then
    libs="-Wl,--no-as-needed -ltorch_cuda -lc10_cuda $libs"
fi
mkdir -p "$(dirname "$out")"
# Without -fopenmp libtorch's parallel_for, a template, is compiled to a plain loop.
# shellcheck disable=SC2086
g++ -O2 -fopenmp -std=c++17 -shared -fPIC -fvisibility=hidden -w $flags "$here"/mesh_*.cpp -o "$out.part" -L"$lib" -Wl,-rpath,"$lib" $libs
mv "$out.part" "$out"
