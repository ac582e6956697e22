// Samples at the borders of the core: int16 and float, and input that must not reach a filter.
#pragma once

#include <cstdint>

namespace seehear {

class SampleConvert {
 public:
  struct Repairs {
    int nonfinite = 0;
    int clamped = 0;
  };

  static constexpr float kLimit = 4.0f;  // full scale is 1; beyond this a sample is taken for a fault

  // Copies with NaN and infinities as 0 and everything else within +-kLimit; counts both. In place is
  // allowed.
  static Repairs Sanitize(const float* in, int count, float* out) noexcept;
  static void ToFloat(const int16_t* in, int count, float* out) noexcept;  // full scale 32768 = 1.0
  // Rounds half away from zero, saturates; NaN gives 0. Returns how many saturated.
  static int ToInt16(const float* in, int count, int16_t* out) noexcept;
};

}  // namespace seehear
