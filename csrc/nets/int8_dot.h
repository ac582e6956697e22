// Dot products of four int8 rows with one int8 vector: what a microcontroller spends its time on.
// The same integers on every machine; only the instructions differ.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#endif

namespace seehear {

#if defined(__ARM_FEATURE_MVE)

constexpr char kInt8DotName[] = "mve";

inline void Int8Dot4(const int8_t* w, int count, const int8_t* x, int32_t* sums) noexcept {
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int i = 0; i < count; i += 16) {
    const mve_pred16_t tail = vctp8q(static_cast<uint32_t>(count - i));
    const int8x16_t v = vldrbq_z_s8(x + i, tail);
    a = vmladavaq_s8(a, vldrbq_z_s8(w + i, tail), v);
    b = vmladavaq_s8(b, vldrbq_z_s8(w + count + i, tail), v);
    c = vmladavaq_s8(c, vldrbq_z_s8(w + 2 * count + i, tail), v);
    d = vmladavaq_s8(d, vldrbq_z_s8(w + 3 * count + i, tail), v);
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

#elif defined(__ARM_FEATURE_DSP)

constexpr char kInt8DotName[] = "dsp";

inline uint32_t Int8Load4(const int8_t* p) noexcept {
  uint32_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Two multiply-adds of 16 bits each per instruction; bytes 0, 2 and bytes 1, 3 are widened apart.
inline int32_t Int8Add4(uint32_t w, int16x2_t even, int16x2_t odd, int32_t sum) noexcept {
  return __smlad(__sxtb16(w >> 8 | w << 24), odd, __smlad(__sxtb16(w), even, sum));
}

inline void Int8Dot4(const int8_t* w, int count, const int8_t* x, int32_t* sums) noexcept {
  const int8_t *p = w, *q = w + count, *r = q + count, *s = r + count;
  int32_t a = 0, b = 0, c = 0, d = 0;
  int i = 0;
  for (; i + 3 < count; i += 4) {
    const uint32_t v = Int8Load4(x + i);
    const int16x2_t even = __sxtb16(v), odd = __sxtb16(v >> 8 | v << 24);
    a = Int8Add4(Int8Load4(p + i), even, odd, a);
    b = Int8Add4(Int8Load4(q + i), even, odd, b);
    c = Int8Add4(Int8Load4(r + i), even, odd, c);
    d = Int8Add4(Int8Load4(s + i), even, odd, d);
  }
  for (; i < count; ++i) {
    a += p[i] * x[i];
    b += q[i] * x[i];
    c += r[i] * x[i];
    d += s[i] * x[i];
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

#else

constexpr char kInt8DotName[] = "scalar";

// x is widened once for four rows: then compilers find the multiply-add of 16-bit pairs.
inline void Int8Dot4(const int8_t* w, int count, const int8_t* x, int32_t* sums) noexcept {
  constexpr int kChunk = 512;
  int16_t wide[kChunk];
  for (int row = 0; row < 4; ++row) sums[row] = 0;
  for (int begin = 0; begin < count; begin += kChunk) {
    const int length = count - begin < kChunk ? count - begin : kChunk;
    for (int i = 0; i < length; ++i) wide[i] = x[begin + i];
    for (int row = 0; row < 4; ++row) {
      const int8_t* p = w + row * count + begin;
      int32_t sum = 0;
      for (int i = 0; i < length; ++i) sum += static_cast<int16_t>(p[i]) * wide[i];
      sums[row] += sum;
    }
  }
}

#endif

inline int32_t Int8Dot(const int8_t* w, int count, const int8_t* x) noexcept {
  int32_t sum = 0;
  for (int i = 0; i < count; ++i) sum += static_cast<int16_t>(w[i]) * static_cast<int16_t>(x[i]);
  return sum;
}

}  // namespace seehear
