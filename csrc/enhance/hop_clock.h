// How many hops went by, in 64 bits: one thread counts, any thread reads, and no processor needs a lock for
// it.
#pragma once

#include <atomic>
#include <cstdint>

namespace seehear {

// 32 bits would be full after 497 days of hops of 10 ms, and not every processor has atomics of 64.
class HopClock {
 public:
  // The counting thread's.
  void Set(uint64_t hops) noexcept;
  void Step() noexcept { Set(Get() + 1); }

  uint64_t Get() const noexcept;

 private:
  // The upper half stands on both sides of the lower one. It is written from left to right and read from
  // right to left: a reader who finds both the same has the lower half that belongs to them.
  std::atomic<uint32_t> high_{0}, low_{0}, high_again_{0};
};

}  // namespace seehear
