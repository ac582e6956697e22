#include "enhance/hop_clock.h"

namespace seehear {

void HopClock::Set(uint64_t hops) noexcept {
  const auto high = static_cast<uint32_t>(hops >> 32);
  high_.store(high, std::memory_order_release);
  low_.store(static_cast<uint32_t>(hops), std::memory_order_release);
  high_again_.store(high, std::memory_order_release);
}

uint64_t HopClock::Get() const noexcept {
  const uint32_t before = high_again_.load(std::memory_order_acquire);
  const uint32_t low = low_.load(std::memory_order_acquire);
  const uint32_t high = high_.load(std::memory_order_acquire);
  // Two halves that differ: the clock is just passing the first hop of `high`, or being set back to 0.
  return static_cast<uint64_t>(high) << 32 | (high == before ? low : 0);
}

}  // namespace seehear
