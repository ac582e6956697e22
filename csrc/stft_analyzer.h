// Streaming STFT: takes one hop, gives the spectrum of the frame that ends with it.
#pragma once

#include "frame_spec.h"
#include "real_fft.h"
#include "vector.h"
#include "window.h"

namespace seehear {

class StftAnalyzer {
 public:
  Status Prepare(const FrameSpec& spec);
  void Reset() noexcept;

  // hop: spec.hop samples. re, im: spec.bins() values each, not scaled.
  void Process(const float* hop, float* re, float* im) noexcept;

 private:
  FrameSpec spec_;
  Window window_;
  RealFft fft_;
  Vector<float> history_;  // the newest spec.analysis samples
  Vector<float> frame_;    // the same, windowed
};

}  // namespace seehear
