#include "nets/net_kernel.h"

#include <cstring>

#include "nets/int8_dot.h"
#include "nets/net_kernel_table.h"
#include "nets/net_loops.h"

#if defined(SEEHEAR_NET_KERNELS)
#include <atomic>
#endif

namespace seehear {
namespace {

bool Always() noexcept { return true; }

int8_t Requantize(int32_t sum, int32_t bias, int32_t multiplier, int shift, int zero_point) noexcept {
  const int64_t scaled = (static_cast<int64_t>(sum) + bias) * multiplier;
  const int64_t y = ((scaled + (int64_t{1} << (shift - 1))) >> shift) + zero_point;
  return static_cast<int8_t>(y < -128 ? -128 : y > 127 ? 127 : y);
}

void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept {
  const int inputs = layer.inputs, outputs = layer.outputs;
  const int step = layer.scales == 1 ? 0 : 1;
  const int8_t* row = layer.weights;
  for (int o = 0; o < outputs; o += 4, row += 4 * inputs) {
    int32_t sums[4];
    const int rows = outputs - o < 4 ? outputs - o : 4;
    if (rows == 4) {
      Int8Dot4(row, inputs, x, sums);
    } else {
      for (int r = 0; r < rows; ++r) sums[r] = Int8Dot(row + r * inputs, inputs, x);
    }
    for (int r = 0; r < rows; ++r) {
      const int s = (o + r) * step;
      y[o + r] =
          Requantize(sums[r], layer.bias[o + r], layer.multiplier[s], layer.shift[s], layer.zero_point);
    }
  }
}

constexpr NetKernel kScalar = {kInt8DotName, Always, Layer, ScalarQuantize, ScalarDequantize, ScalarGru};

}  // namespace

void ScalarQuantize(const float* values, int count, float scale, int zero_point, int8_t* q) noexcept {
  QuantizeLoop(values, count, scale, zero_point, q);
}

void ScalarDequantize(const int8_t* q, int count, float scale, int zero_point, float* values) noexcept {
  DequantizeLoop(q, count, scale, zero_point, values);
}

void ScalarGru(const float* gx, const float* gh, const float* h, int units, float* next) noexcept {
  GruLoop(gx, gh, h, units, next);
}

#if defined(SEEHEAR_NET_KERNELS)

namespace {

constexpr const NetKernel* kAll[kMostNetKernels] = {&kScalar, SEEHEAR_NET_KERNELS};

const NetKernel* Best() noexcept {
  const NetKernel* kernels[kMostNetKernels];
  return kernels[NetKernels(kernels) - 1];
}

// Whoever comes before the second line has run finds the first.
std::atomic<const NetKernel*> active{&kScalar};
[[maybe_unused]] const bool chosen = (active.store(Best(), std::memory_order_relaxed), true);

}  // namespace

int NetKernels(const NetKernel* kernels[kMostNetKernels]) noexcept {
  int count = 0;
  for (const NetKernel* kernel : kAll) {
    if (kernel != nullptr && kernel->runs_here()) kernels[count++] = kernel;
  }
  return count;
}

const NetKernel& ActiveNetKernel() noexcept { return *active.load(std::memory_order_relaxed); }

bool UseNetKernel(const char* name) noexcept {
  const NetKernel* kernels[kMostNetKernels];
  const int count = NetKernels(kernels);
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(kernels[i]->name, name) != 0) continue;
    active.store(kernels[i], std::memory_order_relaxed);
    return true;
  }
  return false;
}

#else

int NetKernels(const NetKernel* kernels[kMostNetKernels]) noexcept {
  kernels[0] = &kScalar;
  return 1;
}

const NetKernel& ActiveNetKernel() noexcept { return kScalar; }

bool UseNetKernel(const char* name) noexcept { return std::strcmp(kScalar.name, name) == 0; }

#endif

}  // namespace seehear
