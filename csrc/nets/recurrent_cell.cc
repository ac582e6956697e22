#include "nets/recurrent_cell.h"

#include <algorithm>

#include "nets/net_kernel.h"

namespace seehear {

Status RecurrentCell::Prepare(int units) {
  if (units < 1 || units > kMaxUnits) return Status::Error("units must be 1 to %d, got %d", kMaxUnits, units);
  units_ = units;
  SEEHEAR_RETURN_IF_ERROR(h_.Allocate(units));
  return next_h_.Allocate(units);
}

void RecurrentCell::Reset() noexcept {
  std::fill(h_.begin(), h_.end(), 0.0f);
  std::fill(next_h_.begin(), next_h_.end(), 0.0f);
}

void RecurrentCell::Step(const float* gx, const float* gh) noexcept {
  ActiveNetKernel().gru(gx, gh, h_.data(), units_, next_h_.data());
}

}  // namespace seehear
