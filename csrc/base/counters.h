// What went wrong or was dropped, counted since reset; written by the audio and image threads, read by
// anyone.
#pragma once

#include <atomic>
#include <cstdint>

namespace seehear {

enum class Counter {
  kHops,
  kNonfiniteSamples,  // NaN and infinities, replaced by 0
  kClampedSamples,    // beyond +-4, clamped
  kSaturatedSamples,  // beyond full scale when converted to int16
  kImagesQueued,      // accepted by see()
  kImagesRefused,     // queue full, or a time that is not finite or more than 1 s from the sound
  kImagesSuperseded,  // a newer image was eligible at the same tick
  kImagesMistimed,    // not newer than the one before, or waiting while a later one had an earlier time
  kImagesNoFace,
  kImagesFrozen,
  kLateTicks,
  kLipRuns,
  kGateRuns,
  kAudioFailures,
  kLipFailures,
  kGateFailures,
  kCount
};

class Counters {
 public:
  static constexpr int kCount = static_cast<int>(Counter::kCount);

  static const char* Name(int index);

  void Reset() noexcept;
  void Add(Counter counter, uint32_t amount = 1) noexcept {
    values_[static_cast<int>(counter)].fetch_add(amount, std::memory_order_relaxed);
  }
  uint32_t Get(Counter counter) const noexcept { return Get(static_cast<int>(counter)); }
  uint32_t Get(int index) const noexcept { return values_[index].load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> values_[kCount] = {};
};

}  // namespace seehear
