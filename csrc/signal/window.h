// Analysis and synthesis windows of a profile. Their product is a periodic Hann window, so overlap-add at one
// hop is exact; synthesis == analysis gives the symmetric pair, a shorter synthesis the low-delay pair.
#pragma once

#include "base/vector.h"
#include "signal/frame_spec.h"

namespace seehear {

class Window {
 public:
  Status Prepare(const FrameSpec& spec);

  const float* analysis() const { return analysis_.data(); }  // spec.analysis values
  const float* synthesis() const {
    return synthesis_.data();
  }  // spec.synthesis values, for the end of the frame
  double analysis_energy() const { return energy_; }  // sum of squares of the analysis window

 private:
  Vector<float> analysis_;
  Vector<float> synthesis_;
  double energy_ = 0;
};

}  // namespace seehear
