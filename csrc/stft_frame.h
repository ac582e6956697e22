// What analysis and synthesis of one stream share, since they never work at the same time: the windows, the
// FFT and a frame of samples to work on.
#pragma once

#include "frame_spec.h"
#include "real_fft.h"
#include "vector.h"
#include "window.h"

namespace seehear {

struct StftFrame {
  FrameSpec spec;
  Window window;
  RealFft fft;
  Vector<float> samples;  // spec.analysis

  Status Prepare(const FrameSpec& frame);
};

}  // namespace seehear
