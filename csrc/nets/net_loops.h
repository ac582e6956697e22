// The float loops of a net as compilers vectorise them: each kernel compiles them for its own instructions,
// hence always inline.
#pragma once

#include <cstdint>

#include "base/fast_math.h"

#if defined(__GNUC__)
#define SEEHEAR_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define SEEHEAR_ALWAYS_INLINE inline
#endif

namespace seehear {

SEEHEAR_ALWAYS_INLINE void QuantizeLoop(const float* __restrict values, int count, float scale,
                                        int zero_point, int8_t* __restrict q) noexcept {
  const float zero = static_cast<float>(zero_point);
  for (int i = 0; i < count; ++i) {
    // Division, not a product with 1 / scale, so that every tool that follows the definition agrees.
    const float x = Clamp(values[i] / scale, -512.0f, 512.0f);
    const float rounded = static_cast<float>(static_cast<int>(x + (x < 0.0f ? -0.5f : 0.5f)));
    q[i] = static_cast<int8_t>(static_cast<int>(Clamp(rounded + zero, -128.0f, 127.0f)));
  }
}

SEEHEAR_ALWAYS_INLINE void DequantizeLoop(const int8_t* __restrict q, int count, float scale, int zero_point,
                                          float* __restrict values) noexcept {
  for (int i = 0; i < count; ++i) values[i] = scale * static_cast<float>(q[i] - zero_point);
}

SEEHEAR_ALWAYS_INLINE void GruLoop(const float* __restrict gx, const float* __restrict gh,
                                   const float* __restrict h, int units, float* __restrict next) noexcept {
  for (int i = 0; i < units; ++i) {
    const float z = Sigmoid(gx[i] + gh[i]);
    const float r = Sigmoid(gx[units + i] + gh[units + i]);
    const float n = Tanh(gx[2 * units + i] + r * gh[2 * units + i]);
    next[i] = z * h[i] + (1.0f - z) * n;
  }
}

}  // namespace seehear
