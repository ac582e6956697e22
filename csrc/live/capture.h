// From a microphone's thread to the enhancement's: one channel of floats, and when each sample came.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "live/audio_ring.h"

namespace seehear {

class Capture {
 public:
  Status Prepare(int samples);  // that may wait

  // Microphone's thread. in: frames of `channels` samples each, which are averaged. now: seconds on any clock
  // that does not jump. Returns how many frames found room; the rest is lost and counted.
  int Put(const float* in, int frames, int channels, double now) noexcept;
  int Put(const int16_t* in, int frames, int channels, double now) noexcept;

  // Enhancement's thread.
  int Fill() const noexcept { return ring_.Fill(); }
  bool Next(float* out, int count) noexcept;      // false: not so many are there
  double came() const noexcept { return came_; }  // when the last sample that Next gave came

  uint32_t overruns() const noexcept { return overruns_.load(std::memory_order_relaxed); }  // calls of Put
  uint32_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }          // samples

 private:
  struct Stamp {
    uint32_t end = 0;  // of a block, as the ring counts
    double t = 0;
  };
  static constexpr uint32_t kStamps = 256;
  static constexpr int kChunk = 256;

  template <typename Sample>
  int PutAny(const Sample* in, int frames, int channels, double now) noexcept;

  AudioRing ring_;
  Stamp stamps_[kStamps];
  std::atomic<uint32_t> stamped_{0}, looked_at_{0};
  double came_ = 0;
  std::atomic<uint32_t> overruns_{0}, lost_{0};
};

}  // namespace seehear
