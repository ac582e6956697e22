#include "signal/sample_convert.h"

#include <cstring>

#include "base/fast_math.h"

namespace seehear {

SampleConvert::Repairs SampleConvert::Sanitize(const float* in, int count, float* out) noexcept {
  int strange = 0;
  for (int i = 0; i < count; ++i) strange |= !(in[i] <= kLimit && in[i] >= -kLimit);
  Repairs repairs;
  if (!strange) {
    std::memmove(out, in, count * sizeof(float));
    return repairs;
  }
  for (int i = 0; i < count; ++i) {
    const float x = in[i];
    if (!(x - x == 0.0f)) {
      out[i] = 0.0f;
      ++repairs.nonfinite;
    } else {
      out[i] = Clamp(x, -kLimit, kLimit);
      repairs.clamped += out[i] != x;
    }
  }
  return repairs;
}

void SampleConvert::ToFloat(const int16_t* in, int count, float* out) noexcept {
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) * (1.0f / 32768.0f);
}

int SampleConvert::ToInt16(const float* in, int count, int16_t* out) noexcept {
  int saturated = 0;
  for (int i = 0; i < count; ++i) {
    const float x = in[i] == in[i] ? in[i] * 32768.0f : 0.0f;
    const float rounded = x + (x < 0.0f ? -0.5f : 0.5f);
    const int q = static_cast<int>(Clamp(rounded, -40000.0f, 40000.0f));
    const int kept = q > 32767 ? 32767 : q < -32768 ? -32768 : q;
    saturated += kept != q;
    out[i] = static_cast<int16_t>(kept);
  }
  return saturated;
}

}  // namespace seehear
