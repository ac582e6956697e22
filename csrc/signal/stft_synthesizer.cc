#include "signal/stft_synthesizer.h"

#include <algorithm>

namespace seehear {

Status StftSynthesizer::Prepare(StftFrame* frame) {
  frame_ = frame;
  return tail_.Allocate(frame->spec.hop);
}

void StftSynthesizer::Reset() noexcept { std::fill(tail_.begin(), tail_.end(), 0.0f); }

void StftSynthesizer::Process(const float* re, const float* im, float* hop) noexcept {
  const FrameSpec& spec = frame_->spec;
  frame_->fft.Inverse(re, im, frame_->samples.data());
  const int h = spec.hop;
  const float* __restrict samples = frame_->samples.data() + spec.analysis - spec.synthesis;
  const float* __restrict w = frame_->window.synthesis();
  float* __restrict tail = tail_.data();
  for (int n = 0; n < h; ++n) hop[n] = tail[n] + samples[n] * w[n];
  for (int n = 0; n < h; ++n) tail[n] = samples[h + n] * w[h + n];
}

}  // namespace seehear
