// exp, log, sigmoid and tanh from +, -, *, / and bit moves only: compilers vectorise them, and every machine
// gives the same bits. Relative error below 3e-7 (log: absolute, or relative where |log| > 1).
#pragma once

#include <cstdint>
#include <cstring>

namespace seehear {

inline float FloatFromBits(int32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int32_t BitsFromFloat(float value) noexcept {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float Clamp(float x, float low, float high) noexcept {
  const float floored = x > low ? x : low;  // NaN becomes low
  return floored < high ? floored : high;
}

// exp(x) for x clamped to +-87, where the result is a normal float.
inline float Exp(float x) noexcept {
  const float t = Clamp(x, -87.0f, 87.0f);
  // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer without a call.
  const float n = (t * 1.44269504f + 12582912.0f) - 12582912.0f;
  const float r = (t - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts keeps r exact
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = (p * r * r + r) + 1.0f;
  return e * FloatFromBits((static_cast<int32_t>(n) + 127) * (1 << 23));
}

// Natural logarithm of a normal, positive x.
inline float Log(float x) noexcept {
  // Split into 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const int32_t bits = BitsFromFloat(x) - 0x3f3504f3;
  const int32_t e = bits >> 23;
  const float m = FloatFromBits((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const float z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float f = static_cast<float>(e);
  const float y = (p * m * z - f * 2.12194440e-4f) - 0.5f * z;
  return (m + y) + f * 0.693359375f;
}

inline float Sigmoid(float x) noexcept { return 1.0f / (1.0f + Exp(-x)); }

inline float Tanh(float x) noexcept { return 2.0f / (1.0f + Exp(-2.0f * x)) - 1.0f; }

}  // namespace seehear
