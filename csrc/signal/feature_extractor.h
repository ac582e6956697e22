// Audio features (E2): log band power, minus a running level, normalised with the statistics of the bundle.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

struct FeatureSpec {
  float floor = 1e-8f;        // added to the power before the logarithm
  float level_init = -11.0f;  // running level before the first frame, ln power
  int level_prior = 20;       // frames that level_init counts for
  int level_hops = 300;       // memory of the running level, frames
  float clip = 4.0f;          // standard deviations
  Vector<float> mean;         // M
  Vector<float> std_dev;      // M
};

class FeatureExtractor {
 public:
  Status Prepare(const FeatureSpec& spec, int bands);
  void Reset() noexcept;

  // power, features: M values each.
  void Process(const float* power, float* features) noexcept;

  float level() const { return level_; }

 private:
  float floor_ = 0, level_init_ = 0, clip_ = 0;
  int level_prior_ = 0, level_hops_ = 1;
  Vector<float> mean_;
  int bands_ = 0;
  float silence_ = 0;  // frames at or below this mean level are digital silence
  float level_ = 0;
  int heard_ = 0;  // frames that counted, up to level_hops
  Vector<float> log_power_;
  Vector<float> inverse_std_;
};

}  // namespace seehear
