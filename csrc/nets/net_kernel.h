// The loops that nets spend their time in, written once per set of instructions. All give the same bits: sums
// are exact, rounding is the layer's own, and the float loops hold no operation that a wider register
// changes. The best that this processor has is chosen while the program starts; nothing locks.
#pragma once

#include <cstdint>

#include "nets/int8_layer.h"

namespace seehear {

struct NetKernel {
  const char* name;  // "scalar", "avx2", ...
  bool (*runs_here)() noexcept;

  // The layer without its table. x: inputs values; y: outputs values.
  void (*layer)(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept;
  // q = saturate(round(value / scale) + zero_point), half away from zero; NaN counts as very negative.
  void (*quantize)(const float* values, int count, float scale, int zero_point, int8_t* q) noexcept;
  void (*dequantize)(const int8_t* q, int count, float scale, int zero_point, float* values) noexcept;
  // gx, gh: 3 * units values each, gate order z, r, n; h, next: units values.
  void (*gru)(const float* gx, const float* gh, const float* h, int units, float* next) noexcept;
};

constexpr int kMostNetKernels = 4;

// Those that run on this processor, "scalar" (or what a microcontroller has in its place) first, the best
// last; how many.
int NetKernels(const NetKernel* kernels[kMostNetKernels]) noexcept;

// The one in use.
const NetKernel& ActiveNetKernel() noexcept;

// Has all nets use another one, for tests and measurements. False: there is none of that name here.
bool UseNetKernel(const char* name) noexcept;

}  // namespace seehear
