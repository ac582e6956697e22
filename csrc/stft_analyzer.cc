#include "stft_analyzer.h"

#include <algorithm>
#include <cstring>

namespace seehear {

Status StftAnalyzer::Prepare(const FrameSpec& spec) {
  SEEHEAR_RETURN_IF_ERROR(window_.Prepare(spec));
  SEEHEAR_RETURN_IF_ERROR(fft_.Prepare(spec.analysis));
  spec_ = spec;
  SEEHEAR_RETURN_IF_ERROR(history_.Allocate(spec.analysis));
  return frame_.Allocate(spec.analysis);
}

void StftAnalyzer::Reset() noexcept { std::fill(history_.begin(), history_.end(), 0.0f); }

void StftAnalyzer::Process(const float* hop, float* re, float* im) noexcept {
  const int length = spec_.analysis, keep = length - spec_.hop;
  std::memmove(history_.data(), history_.data() + spec_.hop, keep * sizeof(float));
  std::memcpy(history_.data() + keep, hop, spec_.hop * sizeof(float));
  const float* __restrict x = history_.data();
  const float* __restrict w = window_.analysis();
  float* __restrict frame = frame_.data();
  for (int n = 0; n < length; ++n) frame[n] = x[n] * w[n];
  fft_.Forward(frame, re, im);
}

}  // namespace seehear
