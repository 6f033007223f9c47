// Loops that libtorch 1.13 has no fast form of on a CPU: group normalisation of channels-last images, with SiLU where it follows, GELU,
// and attention that never holds a whole matrix of scores. Float32, chosen at run time for AVX-512 or AVX2; elsewhere they decline.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#define MESH extern "C" __attribute__((visibility("default")))

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512bw,avx512dq,fma,prefer-vector-width=512")
#pragma GCC optimize("O3")
namespace wide {
constexpr int LANES = 16, ROWS = 12;
#include "mesh_simd.inc"
}  // namespace wide
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#pragma GCC optimize("O3")
namespace narrow {
constexpr int LANES = 8, ROWS = 6;
#include "mesh_simd.inc"
}  // namespace narrow
#pragma GCC pop_options
#endif

namespace {

struct Kernels {
  int lanes = 0, rows = 0;
  void (*moments)(const float*, int64_t, double*, double*);
  void (*affine)(const float*, float*, int64_t, float, float, bool);
  void (*gelus)(const float*, float*, int64_t);
  void (*channel_moments)(const float*, int64_t, int64_t, float*, float*);
  void (*channel_affine)(const float*, float*, int64_t, int64_t, const float*, const float*, bool);
  void (*product)(const float*, int64_t, const float*, int64_t, float*, int64_t, int64_t, int64_t, int64_t, bool);
  float (*soften)(float*, int64_t, float*, float*);
};

Kernels choose() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
    return {wide::LANES, wide::ROWS, wide::moments, wide::affine, wide::gelus, wide::channel_moments, wide::channel_affine, wide::product, wide::soften};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {narrow::LANES, narrow::ROWS, narrow::moments, narrow::affine, narrow::gelus, narrow::channel_moments, narrow::channel_affine, narrow::product, narrow::soften};
#endif
  return {};
}

const Kernels& kernels() {
  static const Kernels chosen = choose();
  return chosen;
}

using Impl = c10::TensorImpl;
using ImplPtr = c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>;

at::Tensor borrow(void* impl) { return impl ? at::Tensor(ImplPtr::reclaim_copy(static_cast<Impl*>(impl))) : at::Tensor(); }

bool plain(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided; }

// Scale and shift of each channel, from the sums of its group.
void fold(const double* sum, const double* squares, double count, double eps, int64_t channels, const float* weight, const float* bias, float* a, float* b) {
  const double mean = *sum / count;
  const double deviation = std::sqrt(std::max(0.0, *squares / count - mean * mean) + eps);
  for (int64_t c = 0; c < channels; c++) {
    a[c] = static_cast<float>((weight ? weight[c] : 1.0) / deviation);
    b[c] = static_cast<float>((bias ? bias[c] : 0.0) - mean * (weight ? weight[c] : 1.0) / deviation);
  }
}

void norm_planes(const float* x, float* y, int64_t batch, int64_t channels, int64_t pixels, int64_t groups, const float* w, const float* b, double eps, bool activate) {
  const int64_t each = channels / groups;
  at::parallel_for(0, batch * groups, 1, [&](int64_t from, int64_t to) {
    std::vector<float> scale(each), shift(each);
    for (int64_t g = from; g < to; g++) {
      const float* source = x + g * each * pixels;
      double sum = 0, squares = 0;
      kernels().moments(source, each * pixels, &sum, &squares);
      const int64_t first = g % groups * each;
      fold(&sum, &squares, double(each) * pixels, eps, each, w ? w + first : nullptr, b ? b + first : nullptr, scale.data(), shift.data());
      for (int64_t c = 0; c < each; c++)
        kernels().affine(source + c * pixels, y + (g * each + c) * pixels, pixels, scale[c], shift[c], activate);
    }
  });
}

void norm_channels_last(const float* x, float* y, int64_t batch, int64_t channels, int64_t pixels, int64_t groups, const float* w, const float* b, double eps, bool activate) {
  constexpr int64_t Run = 64;
  const int64_t each = channels / groups, chunks = std::min<int64_t>(at::get_num_threads(), std::max<int64_t>(1, pixels * channels / 16384));
  std::vector<float> scale(channels), shift(channels);
  for (int64_t n = 0; n < batch; n++, x += channels * pixels, y += channels * pixels) {
    std::vector<double> sums(chunks * 2 * groups);
    at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
      std::vector<float> part(2 * channels);
      for (int64_t k = from; k < to; k++) {
        const int64_t end = pixels * (k + 1) / chunks;
        for (int64_t p = pixels * k / chunks; p < end; p += Run) {
          std::fill(part.begin(), part.end(), 0.0f);
          kernels().channel_moments(x + p * channels, std::min(Run, end - p), channels, part.data(), part.data() + channels);
          for (int64_t c = 0; c < channels; c++) {
            sums[(2 * k) * groups + c / each] += part[c];
            sums[(2 * k + 1) * groups + c / each] += part[channels + c];
          }
        }
      }
    });
    for (int64_t g = 0; g < groups; g++) {
      double sum = 0, squares = 0;
      for (int64_t k = 0; k < chunks; k++) { sum += sums[2 * k * groups + g]; squares += sums[(2 * k + 1) * groups + g]; }
      fold(&sum, &squares, double(each) * pixels, eps, each, w ? w + g * each : nullptr, b ? b + g * each : nullptr, &scale[g * each], &shift[g * each]);
    }
    at::parallel_for(0, pixels, std::max<int64_t>(1, 16384 / channels), [&](int64_t from, int64_t to) {
      kernels().channel_affine(x + from * channels, y + from * channels, to - from, channels, scale.data(), shift.data(), activate);
    });
  }
}

struct Heads {
  const float* data;
  int64_t batch, head, row;
};

Heads heads(const at::Tensor& t) { return {t.data_ptr<float>(), t.stride(0), t.stride(1), t.stride(2)}; }

int64_t up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// Rows of keys become columns: panels of 2 lanes columns, each [depth][2 lanes], zero beyond the last.
void pack_keys(const float* source, int64_t row, int64_t count, int64_t depth, float scale, float* target) {
  const int64_t width = 2 * kernels().lanes;
  for (int64_t panel = 0; panel < count; panel += width)
    for (int64_t d = 0; d < depth; d++)
      for (int64_t j = 0; j < width; j++)
        *target++ = panel + j < count ? source[(panel + j) * row + d] * scale : 0.0f;
}

// Values keep their rows: panels of 2 lanes columns, each [count][2 lanes].
void pack_values(const float* source, int64_t row, int64_t count, int64_t depth, float* target) {
  const int64_t width = 2 * kernels().lanes;
  for (int64_t panel = 0; panel < depth; panel += width)
    for (int64_t s = 0; s < count; s++)
      for (int64_t j = 0; j < width; j++) *target++ = panel + j < depth ? source[s * row + panel + j] : 0.0f;
}

// The rows of scores lie a cache line further apart than a power of two, or they would all fall into the same few sets of the cache.
constexpr int64_t RowsAtOnce = 48, ColumnsAtOnce = 512, Pitch = ColumnsAtOnce + 16;

// The attention of up to RowsAtOnce queries of one head to all its keys.
void attend(const float* query, int64_t query_row, int64_t rows, int64_t width, const float* keys, const float* values, int64_t columns, int64_t value_width,
            float* result, int64_t result_row) {
  const auto& k = kernels();
  const int64_t out = up(value_width, k.lanes), panel = 2 * k.lanes;
  const int64_t apart = width + 16;
  // Kept from block to block; rows beyond the last hold leftovers, whose results nobody reads.
  thread_local std::vector<float> q, scores, sums;
  q.resize(std::max<size_t>(q.size(), RowsAtOnce * apart));
  scores.resize(RowsAtOnce * Pitch);
  sums.resize(std::max<size_t>(sums.size(), RowsAtOnce * out));
  std::vector<float> most(RowsAtOnce, -std::numeric_limits<float>::infinity()), weight(RowsAtOnce, 0.0f);
  for (int64_t r = 0; r < rows; r++) std::memcpy(&q[r * apart], query + r * query_row, width * sizeof(float));
  const int64_t padded = up(rows, k.rows);
  for (int64_t from = 0; from < columns; from += ColumnsAtOnce) {
    const int64_t count = std::min(ColumnsAtOnce, columns - from), wide = up(count, k.lanes);
    k.product(q.data(), apart, keys + from * width, width, scores.data(), Pitch, padded, wide, width, false);
    for (int64_t r = 0; r < rows; r++) {
      float* line = &scores[r * Pitch];
      std::fill(line + count, line + wide, -std::numeric_limits<float>::infinity());
      const float factor = k.soften(line, wide, &most[r], &weight[r]);
      if (from > 0 && factor != 1.0f)
        for (int64_t d = 0; d < out; d++) sums[r * out + d] *= factor;
    }
    // A panel of the values goes on over all columns: the next block begins further down in each.
    for (int64_t d = 0; d < out; d += panel)
      k.product(scores.data(), Pitch, values + d * columns + from * panel, columns, &sums[d], out, padded, std::min(panel, out - d), count, from > 0);
  }
  for (int64_t r = 0; r < rows; r++)
    for (int64_t d = 0; d < value_width; d++) result[r * result_row + d] = sums[r * out + d] / weight[r];
}

}  // namespace

// Group normalisation of [N, C, ...], through SiLU where asked for. Null where the tensors are not of the kind that this serves.
MESH void* mesh_group_norm(void* input, void* weight, void* bias, int64_t groups, double eps, int activate) {
  at::NoGradGuard none;
  auto x = borrow(input), w = borrow(weight), b = borrow(bias);
  if (!kernels().lanes || !plain(x) || x.dim() < 3 || x.size(1) % groups != 0 || x.numel() == 0) return nullptr;
  if ((w.defined() && !(plain(w) && w.is_contiguous())) || (b.defined() && !(plain(b) && b.is_contiguous()))) return nullptr;
  const bool last = x.dim() == 4 && !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast);
  if (!last && !x.is_contiguous()) return nullptr;
  auto y = at::empty_like(x);
  const int64_t pixels = x.numel() / x.size(0) / x.size(1);
  auto run = last ? norm_channels_last : norm_planes;
  run(x.data_ptr<float>(), y.data_ptr<float>(), x.size(0), x.size(1), pixels, groups, w.defined() ? w.data_ptr<float>() : nullptr,
      b.defined() ? b.data_ptr<float>() : nullptr, eps, activate != 0);
  return y.unsafeReleaseTensorImpl();
}

// x times the normal distribution function of x. The tensor is dense, or its rows lie apart as in a part of a wider one. Null where it declines.
MESH void* mesh_gelu(void* input) {
  at::NoGradGuard none;
  auto x = borrow(input);
  if (!kernels().lanes || !plain(x) || x.dim() < 1 || x.numel() == 0) return nullptr;
  const bool dense = x.is_non_overlapping_and_dense();
  const int64_t width = dense ? x.numel() : x.size(-1), rows = x.numel() / width, apart = dense || x.dim() < 2 ? width : x.stride(-2);
  if (!dense && x.stride(-1) != 1) return nullptr;
  for (int64_t d = x.dim() - 2, next = apart; !dense && d >= 0; next *= x.size(d--))
    if (x.size(d) != 1 && x.stride(d) != next) return nullptr;
  auto y = dense ? at::empty_like(x) : at::empty(x.sizes(), x.options());
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  constexpr int64_t Run = 4096;
  const int64_t runs = (width + Run - 1) / Run;
  at::parallel_for(0, rows * runs, 4, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; i++) {
      const int64_t row = i / runs, begin = i % runs * Run;
      kernels().gelus(from + row * apart + begin, to + row * width + begin, std::min(Run, width - begin));
    }
  });
  return y.unsafeReleaseTensorImpl();
}

// softmax(q k^T scale) v of [N, H, L, E], [N, H, S, E], [N, H, S, V]; the result's memory lies as [N, L, H, V]. Null where it declines.
MESH void* mesh_attention(void* query, void* key, void* value, double scale) {
  at::NoGradGuard none;
  auto q = borrow(query), k = borrow(key), v = borrow(value);
  for (const auto& t : {q, k, v})
    if (!kernels().lanes || !plain(t) || t.dim() != 4 || t.stride(3) != 1 || t.numel() == 0) return nullptr;
  const int64_t batch = q.size(0), count = q.size(1), rows = q.size(2), width = q.size(3), columns = k.size(2), out = v.size(3);
  if (k.size(0) != batch || v.size(0) != batch || k.size(1) != count || v.size(1) != count || k.size(3) != width || v.size(2) != columns) return nullptr;
  const int64_t panel = 2 * kernels().lanes, keys = up(columns, panel) * width, values = up(out, panel) * columns;
  auto packed = at::empty({batch * count, keys + values}, q.options());
  auto result = at::empty({batch, rows, count, out}, q.options());
  const auto from_q = heads(q), from_k = heads(k), from_v = heads(v);
  float* store = packed.data_ptr<float>();
  float* target = result.data_ptr<float>();
  at::parallel_for(0, batch * count, 1, [&](int64_t from, int64_t to) {
    for (int64_t h = from; h < to; h++) {
      float* place = store + h * (keys + values);
      pack_keys(from_k.data + h / count * from_k.batch + h % count * from_k.head, from_k.row, columns, width, static_cast<float>(scale), place);
      pack_values(from_v.data + h / count * from_v.batch + h % count * from_v.head, from_v.row, columns, out, place + keys);
    }
  });
  const int64_t blocks = (rows + RowsAtOnce - 1) / RowsAtOnce;
  at::parallel_for(0, batch * count * blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      const int64_t h = i / blocks, row = i % blocks * RowsAtOnce, n = h / count, c = h % count;
      const float* place = store + h * (keys + values);
      attend(from_q.data + n * from_q.batch + c * from_q.head + row * from_q.row, from_q.row, std::min(RowsAtOnce, rows - row), width, place, place + keys, columns, out,
             target + ((n * rows + row) * count + c) * out, count * out);
    }
  });
  return result.transpose(1, 2).unsafeReleaseTensorImpl();
}
