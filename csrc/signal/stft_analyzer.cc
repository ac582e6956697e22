#include "signal/stft_analyzer.h"

#include <algorithm>
#include <cstring>

namespace seehear {

Status StftAnalyzer::Prepare(StftFrame* frame) {
  frame_ = frame;
  return history_.Allocate(frame->spec.analysis);
}

void StftAnalyzer::Reset() noexcept { std::fill(history_.begin(), history_.end(), 0.0f); }

void StftAnalyzer::Process(const float* hop, float* re, float* im) noexcept {
  const int length = frame_->spec.analysis, keep = length - frame_->spec.hop;
  std::memmove(history_.data(), history_.data() + frame_->spec.hop, keep * sizeof(float));
  std::memcpy(history_.data() + keep, hop, frame_->spec.hop * sizeof(float));
  const float* __restrict x = history_.data();
  const float* __restrict w = frame_->window.analysis();
  float* __restrict samples = frame_->samples.data();
  for (int n = 0; n < length; ++n) samples[n] = x[n] * w[n];
  frame_->fft.Forward(samples, re, im);
}

}  // namespace seehear
