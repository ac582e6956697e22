#include "stft_synthesizer.h"

#include <algorithm>

namespace seehear {

Status StftSynthesizer::Prepare(const FrameSpec& spec) {
  SEEHEAR_RETURN_IF_ERROR(window_.Prepare(spec));
  SEEHEAR_RETURN_IF_ERROR(fft_.Prepare(spec.analysis));
  spec_ = spec;
  SEEHEAR_RETURN_IF_ERROR(frame_.Allocate(spec.analysis));
  return tail_.Allocate(spec.hop);
}

void StftSynthesizer::Reset() noexcept { std::fill(tail_.begin(), tail_.end(), 0.0f); }

void StftSynthesizer::Process(const float* re, const float* im, float* hop) noexcept {
  fft_.Inverse(re, im, frame_.data());
  const int h = spec_.hop;
  const float* __restrict frame = frame_.data() + spec_.analysis - spec_.synthesis;
  const float* __restrict w = window_.synthesis();
  float* __restrict tail = tail_.data();
  for (int n = 0; n < h; ++n) hop[n] = tail[n] + frame[n] * w[n];
  for (int n = 0; n < h; ++n) tail[n] = frame[h + n] * w[h + n];
}

}  // namespace seehear
