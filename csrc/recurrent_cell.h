// The float part of a recurrent layer whose matrix products run in a graph: GRU (reset after) and LSTM.
#pragma once

#include "status.h"
#include "vector.h"

namespace seehear {

enum class CellKind { kGru, kLstm };

// A step computes the next state beside the current one; Commit makes it current. A net whose later graph
// fails simply does not commit, and has not moved.
class RecurrentCell {
 public:
  Status Prepare(CellKind kind, int units);
  void Reset() noexcept;

  CellKind kind() const { return kind_; }
  int units() const { return units_; }

  // gx = W x + b and gh = U h + c, 3 * units values each, gate order z, r, n.
  void StepGru(const float* gx, const float* gh) noexcept;
  // g = W x + U h + b, 4 * units values, gate order i, f, g, o.
  void StepLstm(const float* g) noexcept;
  void Commit() noexcept;

  const float* h() const { return h_.data(); }            // current state, input of the next step
  const float* next_h() const { return next_h_.data(); }  // output of the last step

 private:
  CellKind kind_ = CellKind::kGru;
  int units_ = 0;
  Vector<float> h_, next_h_;
  Vector<float> c_, next_c_;  // LSTM only
};

}  // namespace seehear
