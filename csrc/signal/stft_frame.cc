#include "signal/stft_frame.h"

namespace seehear {

Status StftFrame::Prepare(const FrameSpec& frame) {
  SEEHEAR_RETURN_IF_ERROR(window.Prepare(frame));
  SEEHEAR_RETURN_IF_ERROR(fft.Prepare(frame.analysis));
  spec = frame;
  return samples.Allocate(frame.analysis);
}

}  // namespace seehear
