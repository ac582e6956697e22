// Any block size at any rate from 8 to 48 kHz, float or int16, around a HopScheduler:
// conversion -> resampler -> framing -> scheduler -> resampler -> conversion. As many samples out as in.
#pragma once

#include <cstdint>

#include "block_adapter.h"
#include "hop_scheduler.h"
#include "resampler.h"

namespace seehear {

class Stream {
 public:
  // The scheduler must outlive the stream, which is its only caller from now on.
  Status Prepare(HopScheduler* scheduler, int rate);
  // Bytes that Prepare takes; 0 for a rate that it refuses.
  static size_t Memory(const HopScheduler& scheduler, int rate);
  void Reset() noexcept;  // the scheduler too

  int rate() const { return rate_; }
  int latency() const { return latency_; }  // samples at rate(), exact for the whole chain

  // In place is allowed.
  void Process(const float* in, int count, float* out) noexcept;
  void Process(const int16_t* in, int count, int16_t* out) noexcept;
  // What is still inside: latency() samples.
  void Flush(float* out) noexcept;
  void Flush(int16_t* out) noexcept;

 private:
  float Step(float x) noexcept;

  HopScheduler* scheduler_ = nullptr;
  int rate_ = 16000;
  int latency_ = 0;
  bool resamples_ = false;
  Resampler down_;  // caller's rate -> scheduler's
  Resampler up_;    // and back
  BlockAdapter adapter_;
};

}  // namespace seehear
