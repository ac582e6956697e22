// Streaming inverse STFT: takes one spectrum, gives one hop by overlap-add; late by spec.shift() samples.
#pragma once

#include "signal/stft_frame.h"

namespace seehear {

class StftSynthesizer {
 public:
  // frame: prepared; it must outlive the synthesizer and stay where it is.
  Status Prepare(StftFrame* frame);
  void Reset() noexcept;
  int latency() const { return frame_->spec.shift(); }

  // re, im: spec.bins() values each. hop: spec.hop samples.
  void Process(const float* re, const float* im, float* hop) noexcept;

 private:
  StftFrame* frame_ = nullptr;
  Vector<float> tail_;  // second half of the last synthesis frame, one hop
};

}  // namespace seehear
