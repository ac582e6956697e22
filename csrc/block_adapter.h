// Any block size around a process that takes whole hops: one sample in, one sample out, late by hop - 1
// samples.
#pragma once

#include "status.h"
#include "vector.h"

namespace seehear {

class BlockAdapter {
 public:
  using HopFunction = void (*)(void* context, const float* in, float* out);

  Status Prepare(int hop, HopFunction function, void* context);
  static size_t Memory(int hop) { return 2 * Vector<float>::Memory(hop); }  // bytes that Prepare takes
  void Reset() noexcept;
  int latency() const { return hop_ - 1; }

  float Process(float x) noexcept;

 private:
  int hop_ = 1;
  HopFunction function_ = nullptr;
  void* context_ = nullptr;
  int filled_ = 0;
  Vector<float> in_, out_;
};

}  // namespace seehear
