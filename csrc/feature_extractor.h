// Audio features (E2): log band power, minus a running level, normalised with the statistics of the bundle.
#pragma once

#include <vector>

#include "status.h"

namespace seehear {

struct FeatureSpec {
  float floor = 1e-8f;         // added to the power before the logarithm
  float level_init = -11.0f;   // running level before the first frame, ln power
  int level_prior = 20;        // frames that level_init counts for
  int level_hops = 300;        // memory of the running level, frames
  float clip = 4.0f;           // standard deviations
  std::vector<float> mean;     // M
  std::vector<float> std_dev;  // M
};

class FeatureExtractor {
 public:
  Status Prepare(const FeatureSpec& spec, int bands);
  void Reset() noexcept;

  // power, features: M values each.
  void Process(const float* power, float* features) noexcept;

  float level() const { return level_; }

 private:
  FeatureSpec spec_;
  int bands_ = 0;
  float silence_ = 0;  // frames at or below this mean level are digital silence
  float level_ = 0;
  int heard_ = 0;  // frames that counted, up to level_hops
  std::vector<float> log_power_;
  std::vector<float> inverse_std_;
};

}  // namespace seehear
