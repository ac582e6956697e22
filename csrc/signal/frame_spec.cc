#include "signal/frame_spec.h"

namespace seehear {

Status FrameSpec::Validate() const {
  if (rate < 8000 || rate > 48000) {
    return Status::Error("profile.rate must be 8000 to 48000 Hz, got %d", rate);
  }
  if (analysis < 32 || analysis > 8192 || (analysis & (analysis - 1)) != 0) {
    return Status::Error("profile.analysis must be a power of two from 32 to 8192 samples, got %d", analysis);
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
