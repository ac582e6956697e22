// What both NEON kernels share: four results from the sums of four rows. The float loops stay as they are:
// compilers write NEON for them anyway.
#pragma once

#include "nets/net_kernel_table.h"

#if defined(__aarch64__) && defined(__GNUC__)

#include <arm_neon.h>

namespace seehear {

constexpr int kNeonRows = 4;

// Two results, as 64-bit integers.
inline __attribute__((always_inline)) int64x2_t NeonScale(int32x2_t sum, int32x2_t bias, int32x2_t multiplier,
                                                          int32x2_t shift, int64x2_t zero) noexcept {
  const int64x2_t scaled = vmlal_s32(vmull_s32(sum, multiplier), bias, multiplier);
  return vaddq_s64(vrshlq_s64(scaled, vnegq_s64(vmovl_s32(shift))), zero);
}

// Stores results o to o + 3, or as many as there are, from the lanes of four sums.
inline __attribute__((always_inline)) void NeonStore(const Int8Layer& layer, int o,
                                                     const int32x4_t sums[kNeonRows], int8_t* y) noexcept {
  const int32x4_t sum = vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
  const int count = layer.outputs - o < kNeonRows ? layer.outputs - o : kNeonRows;
  int32x4_t bias, multiplier, shift;
  if (count == kNeonRows) {
    bias = vld1q_s32(layer.bias + o);
  } else {
    int32_t some[kNeonRows] = {};
    for (int r = 0; r < count; ++r) some[r] = layer.bias[o + r];
    bias = vld1q_s32(some);
  }
  if (layer.scales == 1) {
    multiplier = vdupq_n_s32(layer.multiplier[0]);
    shift = vdupq_n_s32(layer.shift[0]);
  } else if (count == kNeonRows) {
    multiplier = vld1q_s32(layer.multiplier + o);
    shift = vld1q_s32(layer.shift + o);
  } else {
    int32_t some[2][kNeonRows] = {};
    for (int r = 0; r < count; ++r) some[0][r] = layer.multiplier[o + r], some[1][r] = layer.shift[o + r];
    multiplier = vld1q_s32(some[0]);
    shift = vld1q_s32(some[1]);
  }
  const int64x2_t zero = vdupq_n_s64(layer.zero_point);
  const int64x2_t low =
      NeonScale(vget_low_s32(sum), vget_low_s32(bias), vget_low_s32(multiplier), vget_low_s32(shift), zero);
  const int64x2_t high = NeonScale(vget_high_s32(sum), vget_high_s32(bias), vget_high_s32(multiplier),
                                   vget_high_s32(shift), zero);
  const int16x4_t narrow = vqmovn_s32(vcombine_s32(vqmovn_s64(low), vqmovn_s64(high)));
  const int8x8_t result = vqmovn_s16(vcombine_s16(narrow, narrow));
  if (count == kNeonRows) {
    vst1_lane_s32(reinterpret_cast<int32_t*>(y + o), vreinterpret_s32_s8(result), 0);
  } else {
    int8_t some[8];
    vst1_s8(some, result);
    for (int r = 0; r < count; ++r) y[o + r] = some[r];
  }
}

// The layer; Sum::Add16 and Sum::Add8 add the products of so many bytes to four sums.
template <typename Sum>
inline __attribute__((always_inline)) void NeonLayer(const Int8Layer& layer, const int8_t* x,
                                                     int8_t* y) noexcept {
  const int inputs = layer.inputs, whole = inputs / 16 * 16;
  for (int o = 0; o < layer.outputs; o += kNeonRows) {
    const int8_t* rows[kNeonRows];  // beyond the last row: the last once more
    for (int r = 0; r < kNeonRows; ++r) {
      rows[r] = layer.weights + (o + r < layer.outputs ? o + r : layer.outputs - 1) * inputs;
    }
    int32x4_t sums[kNeonRows] = {};
    for (int i = 0; i < whole; i += 16) {
      const int8x16_t v = vld1q_s8(x + i);
      for (int r = 0; r < kNeonRows; ++r) sums[r] = Sum::Add16(sums[r], vld1q_s8(rows[r] + i), v);
    }
    int i = whole;
    if (i + 8 <= inputs) {
      const int8x8_t v = vld1_s8(x + i);
      for (int r = 0; r < kNeonRows; ++r) sums[r] = Sum::Add8(sums[r], vld1_s8(rows[r] + i), v);
      i += 8;
    }
    if (i < inputs) {
      for (int r = 0; r < kNeonRows; ++r) {
        int32_t rest = 0;
        for (int k = i; k < inputs; ++k) rest += rows[r][k] * x[k];
        sums[r] = vsetq_lane_s32(vgetq_lane_s32(sums[r], 0) + rest, sums[r], 0);
      }
    }
    NeonStore(layer, o, sums, y);
  }
}

}  // namespace seehear

#endif
