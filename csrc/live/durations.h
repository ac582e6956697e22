// How long something took, over and over: a histogram that any thread may read, with no memory to grow.
#pragma once

#include <atomic>
#include <cstdint>

namespace seehear {

class Durations {
 public:
  void Add(double seconds) noexcept;  // one thread
  void Reset() noexcept;

  uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  double most() const noexcept { return most_.load(std::memory_order_relaxed); }  // seconds, exact
  // Seconds that the share `q` (0..1) of all stayed at or below: right to 4.5 %, rounded up. 0 of none.
  double Quantile(double q) const noexcept;

 private:
  static constexpr int kSteps = 16;  // buckets to an octave
  static constexpr int kBuckets = 26 * kSteps;
  static constexpr double kLeast =
      2.5e-7;  // seconds: upper end of the first bucket; the last one's is 16.8 s

  std::atomic<uint32_t> buckets_[kBuckets] = {};
  std::atomic<uint32_t> count_{0};
  std::atomic<float> most_{0};
};

}  // namespace seehear
