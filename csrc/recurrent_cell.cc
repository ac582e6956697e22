#include "recurrent_cell.h"

#include <algorithm>

#include "fast_math.h"

namespace seehear {

Status RecurrentCell::Prepare(CellKind kind, int units) {
  if (units < 1 || units > 4096) return Status::Error("units must be 1 to 4096, got %d", units);
  kind_ = kind;
  units_ = units;
  SEEHEAR_RETURN_IF_ERROR(h_.Allocate(units));
  SEEHEAR_RETURN_IF_ERROR(next_h_.Allocate(units));
  const int cells = kind == CellKind::kLstm ? units : 0;
  SEEHEAR_RETURN_IF_ERROR(c_.Allocate(cells));
  return next_c_.Allocate(cells);
}

void RecurrentCell::Reset() noexcept {
  std::fill(h_.begin(), h_.end(), 0.0f);
  std::fill(next_h_.begin(), next_h_.end(), 0.0f);
  std::fill(c_.begin(), c_.end(), 0.0f);
  std::fill(next_c_.begin(), next_c_.end(), 0.0f);
}

void RecurrentCell::StepGru(const float* gx, const float* gh) noexcept {
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

void RecurrentCell::StepLstm(const float* g) noexcept {
  const int units = units_;
  const float* __restrict c = c_.data();
  float* __restrict next_c = next_c_.data();
  float* __restrict next = next_h_.data();
  for (int i = 0; i < units; ++i) {
    next_c[i] = Sigmoid(g[units + i]) * c[i] + Sigmoid(g[i]) * Tanh(g[2 * units + i]);
  }
  for (int i = 0; i < units; ++i) next[i] = Sigmoid(g[3 * units + i]) * Tanh(next_c[i]);
}

void RecurrentCell::Commit() noexcept {
  h_.swap(next_h_);
  c_.swap(next_c_);
}

}  // namespace seehear
