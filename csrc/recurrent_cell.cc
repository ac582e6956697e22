#include "recurrent_cell.h"

#include <algorithm>

#include "fast_math.h"

namespace seehear {

Status RecurrentCell::Prepare(int units) {
  if (units < 1 || units > 4096) return Status::Error("units must be 1 to 4096, got %d", units);
  units_ = units;
  SEEHEAR_RETURN_IF_ERROR(h_.Allocate(units));
  return next_h_.Allocate(units);
}

void RecurrentCell::Reset() noexcept {
  std::fill(h_.begin(), h_.end(), 0.0f);
  std::fill(next_h_.begin(), next_h_.end(), 0.0f);
}

void RecurrentCell::Step(const float* gx, const float* gh) noexcept {
  const int units = units_;
  const float* __restrict h = h_.data();
  float* __restrict next = next_h_.data();
  for (int i = 0; i < units; ++i) {
    const float z = Sigmoid(gx[i] + gh[i]);
    const float r = Sigmoid(gx[units + i] + gh[units + i]);
    const float n = Tanh(gx[2 * units + i] + r * gh[2 * units + i]);
    next[i] = z * h[i] + (1.0f - z) * n;
  }
}

}  // namespace seehear
