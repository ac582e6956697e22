// Streaming STFT: takes one hop, gives the spectrum of the frame that ends with it.
#pragma once

#include "signal/stft_frame.h"

namespace seehear {

class StftAnalyzer {
 public:
  // frame: prepared; it must outlive the analyzer and stay where it is.
  Status Prepare(StftFrame* frame);
  void Reset() noexcept;

  // hop: spec.hop samples. re, im: spec.bins() values each, not scaled.
  void Process(const float* hop, float* re, float* im) noexcept;

 private:
  StftFrame* frame_ = nullptr;
  Vector<float> history_;  // the newest spec.analysis samples
};

}  // namespace seehear
