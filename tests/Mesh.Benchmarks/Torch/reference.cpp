// The same measurements as TorchBenchmark.cs, straight from C++: what the native library itself reaches.
//   reference THREADS  ->  lines of "name value"
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

// The best of as many runs as fit into a second and a half, so that what else the machine does disturbs little.
static double seconds(const std::function<void()>& work) {
  double best = 1e30;
  for (double spent = 0; spent < 1.5;) {
    auto start = std::chrono::steady_clock::now();
    work();
    auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

int main(int, char** argv) {
  at::set_num_threads(std::atoi(argv[1]));
  c10::InferenceMode guard;
  auto small = at::ones({1});
  const int calls = 1000;
  std::printf("add_ns %f\n", seconds([&] { for (int i = 0; i < calls; i++) at::add(small, small); }) / calls * 1e9);
  std::printf("add_scalar_ns %f\n", seconds([&] { for (int i = 0; i < calls; i++) at::add(small, 1); }) / calls * 1e9);
  std::printf("reshape_ns %f\n", seconds([&] { for (int i = 0; i < calls; i++) at::reshape(small, {1, 1}); }) / calls * 1e9);
  for (int64_t n : {512, 1024, 2048}) {
    auto a = at::randn({n, n}), b = at::randn({n, n});
    std::printf("matmul_%ld %f\n", n, 2.0 * n * n * n / seconds([&] { at::matmul(a, b); }) / 1e9);
  }
  for (auto [channels, side] : {std::pair<int64_t, int64_t>{64, 64}, {128, 64}, {320, 32}}) {
    auto x = at::randn({1, channels, side, side}), w = at::randn({channels, channels, 3, 3}), bias = at::randn({channels});
    auto flop = 2.0 * channels * channels * 9 * side * side;
    std::printf("conv3x3_%ldx%ld %f\n", channels, side, flop / seconds([&] { at::conv2d(x, w, bias, 1, 1); }) / 1e9);
  }
}
