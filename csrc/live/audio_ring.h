// Lock-free ring of samples between two threads: one writes, one reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class AudioRing {
 public:
  Status Prepare(int samples);  // at least that many may wait
  int capacity() const { return samples_.size(); }

  // Writer. Returns how many samples found room.
  int Write(const float* in, int count) noexcept;

  // Reader.
  int Fill() const noexcept;                 // also for the writer: no more than this
  int Read(float* out, int count) noexcept;  // returns how many were there
  int Drop(int count) noexcept;

  uint32_t written() const noexcept { return written_.load(std::memory_order_acquire); }  // wraps
  uint32_t read() const noexcept { return read_.load(std::memory_order_acquire); }

 private:
  Vector<float> samples_;             // a power of two
  std::atomic<uint32_t> written_{0};  // both wrap, which their difference survives
  std::atomic<uint32_t> read_{0};
};

}  // namespace seehear
