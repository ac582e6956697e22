// The 24 lip features of a visual tick, from ten lip distances: their deviation from a running mean, their
// change, three raw openings and the age of the image; normalised with the statistics of the bundle.
#pragma once

#include "base/status.h"
#include "base/vector.h"
#include "sight/lip_geometry.h"

namespace seehear {

class LipFeatures {
 public:
  static constexpr int kSize = 24;

  // mean, std_dev: 24 values each. clip: in standard deviations.
  Status Prepare(const Vector<float>& mean, const Vector<float>& std_dev, float clip);
  void Reset() noexcept;  // the next tick is the first

  // distances: 10 values. age: seconds since the image was taken. features: 24 values.
  void Process(const float* distances, float age, float* features) noexcept;

 private:
  static constexpr int kMemory = 75;  // ticks of the running mean: 3 s at 25 images per second
  static constexpr int kRaw = 3;
  static constexpr float kMaxAge = 0.25f;

  Vector<float> mean_, inverse_std_;
  float clip_ = 4.0f;
  int ticks_ = 0;  // up to kMemory
  float running_[LipGeometry::kDistances] = {};
  float previous_[LipGeometry::kDistances] = {};
};

}  // namespace seehear
