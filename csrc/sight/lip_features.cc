#include "sight/lip_features.h"

#include <cmath>

#include "base/fast_math.h"

namespace seehear {

Status LipFeatures::Prepare(const Vector<float>& mean, const Vector<float>& std_dev, float clip) {
  if (mean.size() != kSize || std_dev.size() != kSize) {
    return Status::Error("visual.mean and visual.std must hold %d values, got %d and %d", kSize, mean.size(),
                         std_dev.size());
  }
  if (!(clip > 0.0f)) return Status::Error("visual.clip must be above 0, got %g", clip);
  SEEHEAR_RETURN_IF_ERROR(inverse_std_.Allocate(kSize));
  for (int i = 0; i < kSize; ++i) {
    if (!std::isfinite(mean[i]) || !(std_dev[i] > 0.0f) || !std::isfinite(std_dev[i])) {
      return Status::Error(
          "visual: feature %d needs a finite mean and a standard deviation above 0, got %g and %g", i,
          mean[i], std_dev[i]);
    }
    inverse_std_[i] = 1.0f / std_dev[i];
  }
  SEEHEAR_RETURN_IF_ERROR(mean_.CopyFrom(mean));
  clip_ = clip;
  Reset();
  return Status::Ok();
}

void LipFeatures::Reset() noexcept {
  ticks_ = 0;
  for (int i = 0; i < LipGeometry::kDistances; ++i) running_[i] = previous_[i] = 0.0f;
}

void LipFeatures::Process(const float* distances, float age, float* features) noexcept {
  constexpr int kCount = LipGeometry::kDistances;
  const bool first = ticks_ == 0;
  if (ticks_ < kMemory) ++ticks_;
  for (int i = 0; i < kCount; ++i) {
    const float d = distances[i];
    running_[i] += (d - running_[i]) / static_cast<float>(ticks_);
    features[i] = first ? 0.0f : d - running_[i];
    features[kCount + i] = first ? 0.0f : d - previous_[i];
    previous_[i] = d;
  }
  for (int i = 0; i < kRaw; ++i) features[2 * kCount + i] = distances[i];
  features[2 * kCount + kRaw] = age < kMaxAge ? age : kMaxAge;
  for (int i = 0; i < kSize; ++i)
    features[i] = Clamp((features[i] - mean_[i]) * inverse_std_[i], -clip_, clip_);
}

}  // namespace seehear
