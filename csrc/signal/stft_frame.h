// What analysis and synthesis of one stream share, since they never work at the same time: the windows, the
// FFT and a frame of samples to work on.
#pragma once

#include "base/vector.h"
#include "signal/frame_spec.h"
#include "signal/real_fft.h"
#include "signal/window.h"

namespace seehear {

struct StftFrame {
  FrameSpec spec;
  Window window;
  RealFft fft;
  Vector<float> samples;  // spec.analysis

  Status Prepare(const FrameSpec& frame);
};

}  // namespace seehear
