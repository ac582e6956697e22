#include "signal/frame_spec.h"

namespace seehear {

Status FrameSpec::Validate() const {
  if (rate < kMinRate || rate > kMaxRate) {
    return Status::Error("profile.rate must be %d to %d Hz, got %d", kMinRate, kMaxRate, rate);
  }
  if (analysis < kMinAnalysis || analysis > kMaxAnalysis || (analysis & (analysis - 1)) != 0) {
    return Status::Error("profile.analysis must be a power of two from %d to %d samples, got %d",
                         kMinAnalysis, kMaxAnalysis, analysis);
  }
  if (hop < 1 || synthesis % 2 != 0 || synthesis / 2 != hop) {  // 2 * hop might overflow
    return Status::Error("profile.synthesis must be two hops, got synthesis %d and hop %d", synthesis, hop);
  }
  if (synthesis > analysis) {
    return Status::Error("profile.synthesis (%d) must not be longer than profile.analysis (%d)", synthesis,
                         analysis);
  }
  return Status::Ok();
}

}  // namespace seehear
