// Whether the picture belongs to the sound: the running correlation of how much the lips let through with how
// much is heard of the talker. Nothing in the signal path reads it. Equations: docs/architecture.md.
#pragma once

#include <atomic>

namespace seehear {

class Agreement {
 public:
  void Prepare(int hops_per_second) noexcept;
  void Reset() noexcept;  // another face may come

  // One hop with lips in sight: their mask and the fused one, `bands` values each.
  void Hear(const float* lips, const float* mask, int bands) noexcept;

  // -1..1, 0 in the first second; any thread.
  float value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  int rate_ = 100;  // hops per second
  int hops_ = 0;    // since Reset, at most those that count
  float lips_ = 0, heard_ = 0;
  float lips_variance_ = 0, heard_variance_ = 0, covariance_ = 0;
  std::atomic<float> value_{0.0f};
};

}  // namespace seehear
