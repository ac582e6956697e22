#include "int8_layer.h"

#include "int8_dot.h"

namespace seehear {
namespace {

int8_t Requantize(int32_t sum, int32_t bias, int32_t multiplier, int shift, int zero_point) noexcept {
  const int64_t scaled = (static_cast<int64_t>(sum) + bias) * multiplier;
  const int64_t y = ((scaled + (int64_t{1} << (shift - 1))) >> shift) + zero_point;
  return static_cast<int8_t>(y < -128 ? -128 : y > 127 ? 127 : y);
}

}  // namespace

void Int8Layer::Run(const int8_t* x, int8_t* y) const noexcept {
  const int step = scales == 1 ? 0 : 1;
  const int8_t* row = weights;
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
      y[o + r] = Requantize(sums[r], bias[o + r], multiplier[s], shift[s], zero_point);
    }
  }
  if (table == nullptr) return;
  for (int o = 0; o < outputs; ++o) y[o] = table[y[o] + 128];
}

}  // namespace seehear
