// Streaming inverse STFT: takes one spectrum, gives one hop by overlap-add; late by spec.shift() samples.
#pragma once

#include "frame_spec.h"
#include "real_fft.h"
#include "vector.h"
#include "window.h"

namespace seehear {

class StftSynthesizer {
 public:
  Status Prepare(const FrameSpec& spec);
  void Reset() noexcept;
  int latency() const { return spec_.shift(); }

  // re, im: spec.bins() values each. hop: spec.hop samples.
  void Process(const float* re, const float* im, float* hop) noexcept;

 private:
  FrameSpec spec_;
  Window window_;
  RealFft fft_;
  Vector<float> frame_;
  Vector<float> tail_;  // second half of the last synthesis frame, one hop
};

}  // namespace seehear
