// Bands of STFT bins: power per band, and band values spread back over the bins.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class BandLayout {
 public:
  // edges: M + 1 rising bin indices from 0 to bins; band b holds bins edges[b] .. edges[b + 1] - 1.
  // energy: sum of squares of the analysis window, so that white noise of variance v has power v in every
  // band.
  Status Prepare(const Vector<int>& edges, int bins, double energy);

  int bands() const { return bands_; }
  int bins() const { return bins_; }

  // power: M values, the mean of |X|^2 / energy over the bins of each band.
  void Power(const float* re, const float* im, float* power) noexcept;
  // Multiplies every bin of the spectrum with the gain of its band; gain: M values.
  void Apply(const float* gain, float* re, float* im) noexcept;

 private:
  int bands_ = 0;
  int bins_ = 0;
  int singles_ = 0;  // leading bands of one bin, where band index = bin index
  Vector<int> edges_;
  Vector<float> scale_;    // 1 / (energy * width) per band
  Vector<float> per_bin_;  // |X|^2, or the gain, whichever is at work
};

}  // namespace seehear
