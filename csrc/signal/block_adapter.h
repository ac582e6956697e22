// Any block size around a process that takes whole hops: one sample in, one sample of each track out, late by
// hop - 1 samples.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class BlockAdapter {
 public:
  // out: a hop for each track, one behind the other.
  using HopFunction = void (*)(void* context, const float* in, float* out);

  Status Prepare(int hop, HopFunction function, void* context, int tracks = 1);
  static size_t Memory(int hop, int tracks = 1) {  // bytes that Prepare takes
    return Vector<float>::Memory(hop) + Vector<float>::Memory(hop * tracks);
  }
  void Reset() noexcept;
  int latency() const { return hop_ - 1; }

  float Process(float x) noexcept;  // of track 0; At gives the others
  float At(int track) const noexcept { return out_[track * hop_ + filled_]; }

 private:
  int hop_ = 1;
  HopFunction function_ = nullptr;
  void* context_ = nullptr;
  int filled_ = 0;
  Vector<float> in_, out_;
};

}  // namespace seehear
