// What a harness takes its decisions from: the fuzzer's bytes, front to back; 0 when there are none left.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace seehear::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : next_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  size_t left() const { return left_; }
  const uint8_t* rest() const { return next_; }

  template <typename T>
  T Take() {
    T value{};
    const size_t size = left_ < sizeof value ? left_ : sizeof value;
    if (size > 0) std::memcpy(&value, next_, size);
    next_ += size;
    left_ -= size;
    return value;
  }
  // 0 .. most
  int Upto(int most) { return static_cast<int>(Take<uint16_t>() % (static_cast<unsigned>(most) + 1)); }
  // A number as it comes (NaN, infinity, denormal) or one of a range that makes sense.
  template <typename T>
  T Wild(double least, double most) {
    if (Take<uint8_t>() % 4 == 0) return Take<T>();
    return static_cast<T>(least + (most - least) * Take<uint16_t>() / 65535.0);
  }

 private:
  const uint8_t* next_;
  size_t left_;
};

// An aborted promise is a crash, and the fuzzer keeps the input.
inline void Promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

inline void PromiseSound(const float* samples, int count) {
  for (int i = 0; i < count; ++i) Promise(std::isfinite(samples[i]), "every sample that comes out is finite");
}

}  // namespace seehear::fuzz
