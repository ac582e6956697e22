#include "live/drift_controller.h"

#include <algorithm>

namespace seehear {

void DriftController::Reset() noexcept { mean_ = integral_ = ppm_ = 0; }

double DriftController::Update(double excess, double elapsed) noexcept {
  mean_ += (excess - mean_) * std::min(1.0, elapsed / kSmoothing);
  // held at the limit, so that it does not wind up while nothing helps
  integral_ = std::clamp(integral_ - 1e6 * kW * kW * mean_ * elapsed, -kMostPpm, kMostPpm);
  ppm_ = std::clamp(integral_ - 1e6 * 2 * kZeta * kW * mean_, -kMostPpm, kMostPpm);
  return ppm_;
}

}  // namespace seehear
