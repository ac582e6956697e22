// One track of sound out of the common spectrum: mask -> floor, strength -> gain -> overlap-add (E6).
#pragma once

#include "signal/band_layout.h"
#include "signal/stft_synthesizer.h"

namespace seehear {

class Track {
 public:
  // frame, layout: prepared; they must outlive the track and stay where they are.
  Status Prepare(StftFrame* frame, BandLayout* layout);
  void Reset() noexcept { synthesizer_.Reset(); }

  // mask: a value for each band. re, im: the spectrum, multiplied in place. out: one hop.
  void Render(const float* mask, float floor_gain, float strength, float* re, float* im, float* out) noexcept;

 private:
  BandLayout* layout_ = nullptr;
  StftSynthesizer synthesizer_;
  Vector<float> gain_;
};

}  // namespace seehear
