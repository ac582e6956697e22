#include "live/durations.h"

#include <algorithm>
#include <cmath>

namespace seehear {

void Durations::Add(double seconds) noexcept {
  const double octaves = std::log2(std::max(seconds, kLeast) / kLeast);
  const int bucket = std::min(static_cast<int>(std::ceil(octaves * kSteps)), kBuckets - 1);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  const float exact = static_cast<float>(seconds);
  if (exact > most_.load(std::memory_order_relaxed)) most_.store(exact, std::memory_order_relaxed);
}

void Durations::Reset() noexcept {
  for (std::atomic<uint32_t>& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
  count_.store(0, std::memory_order_relaxed);
  most_.store(0, std::memory_order_relaxed);
}

double Durations::Quantile(double q) const noexcept {
  double total = 0;
  for (const std::atomic<uint32_t>& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const double wanted = std::clamp(q, 0.0, 1.0) * total;
  double below = 0;
  for (int i = 0; i < kBuckets; ++i) {
    below += buckets_[i].load(std::memory_order_relaxed);
    if (below >= wanted && below > 0)
      return std::min(kLeast * std::exp2(static_cast<double>(i) / kSteps), most());
  }
  return most();
}

}  // namespace seehear
