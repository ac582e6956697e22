// Four floats at a time, for the few loops that compilers do not vectorise by themselves (stores in an order
// of their own). GCC and Clang lower the vector type to SSE, NEON or plain scalars; the results are those of
// the same scalar code.
#pragma once

#include <cstring>

namespace seehear {

#if defined(__GNUC__)
typedef float Lanes __attribute__((vector_size(16)));
#else
struct Lanes {
  float v[4];
  float operator[](int i) const { return v[i]; }
};
inline Lanes operator+(Lanes a, Lanes b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]}; }
inline Lanes operator-(Lanes a, Lanes b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]}; }
inline Lanes operator*(Lanes a, Lanes b) { return {a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]}; }
#endif

inline Lanes Load(const float* p) noexcept {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void Store(float* p, Lanes v) noexcept { std::memcpy(p, &v, sizeof v); }

inline Lanes All(float x) noexcept { return Lanes{x, x, x, x}; }

inline Lanes Reverse(Lanes a) noexcept { return Lanes{a[3], a[2], a[1], a[0]}; }

inline Lanes EvenOf(Lanes a, Lanes b) noexcept { return Lanes{a[0], a[2], b[0], b[2]}; }

inline Lanes OddOf(Lanes a, Lanes b) noexcept { return Lanes{a[1], a[3], b[1], b[3]}; }

inline Lanes ZipLow(Lanes a, Lanes b) noexcept { return Lanes{a[0], b[0], a[1], b[1]}; }

inline Lanes ZipHigh(Lanes a, Lanes b) noexcept { return Lanes{a[2], b[2], a[3], b[3]}; }

// Stores a[0] b[0] c[0] d[0] a[1] b[1] ... : sixteen floats.
inline void StoreTransposed(float* p, Lanes a, Lanes b, Lanes c, Lanes d) noexcept {
  const Lanes ac_low = ZipLow(a, c), ac_high = ZipHigh(a, c), bd_low = ZipLow(b, d), bd_high = ZipHigh(b, d);
  Store(p, ZipLow(ac_low, bd_low));
  Store(p + 4, ZipHigh(ac_low, bd_low));
  Store(p + 8, ZipLow(ac_high, bd_high));
  Store(p + 12, ZipHigh(ac_high, bd_high));
}

}  // namespace seehear
