// A fully connected layer in integers, as a TFLite int8 FULLY_CONNECTED (with a LOGISTIC after it, as a
// table) computes it: y = saturate(zero_point + round((bias + W x) * multiplier / 2^shift)), then table[y].
// The input's zero point is already inside the bias.
#pragma once

#include <cstdint>

namespace seehear {

struct Int8Layer {
  int inputs = 0;
  int outputs = 0;
  const int8_t* weights = nullptr;      // outputs rows of inputs
  const int32_t* bias = nullptr;        // outputs
  const int32_t* multiplier = nullptr;  // scales: one for all rows, or one per row
  const int32_t* shift = nullptr;       // as many
  int scales = 1;
  int zero_point = 0;             // of y
  const int8_t* table = nullptr;  // 256 entries for -128..127, or none

  // Bounds within which Run cannot overflow, whatever the bias and a multiplier of 0 or more.
  static constexpr int kMaxInputs = 1 << 14;
  static constexpr int32_t kMaxShift = 62;

  // x: inputs values; y: outputs values.
  void Run(const int8_t* x, int8_t* y) const noexcept;
};

}  // namespace seehear
