#include "live/drift_controller.h"

#include <algorithm>

namespace seehear {

void DriftController::Reset() noexcept { mean_ = integral_ = ppm_ = 0; }

double DriftController::Update(double excess, double elapsed) noexcept {
  mean_ += (excess - mean_) * std::min(1.0, elapsed / kSmoothing);
  const double wanted = integral_ - 1e6 * 2 * kZeta * kW * mean_;
  ppm_ = std::clamp(wanted, -kMostPpm, kMostPpm);
  // at the limit it must not wind up: it would overshoot by as much
  if (ppm_ == wanted)
    integral_ = std::clamp(integral_ - 1e6 * kW * kW * mean_ * elapsed, -kMostDrift, kMostDrift);
  return ppm_;
}

}  // namespace seehear
