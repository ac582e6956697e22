// The float part of a recurrent layer whose matrix products run in a graph: a GRU, reset after.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

// A step computes the next state beside the current one; Commit makes it current. A net whose later graph
// fails simply does not commit, and has not moved.
class RecurrentCell {
 public:
  static constexpr int kMaxUnits = 4096;

  Status Prepare(int units);
  void Reset() noexcept;

  int units() const { return units_; }

  // gx = W x + b and gh = U h + c, 3 * units values each, gate order z, r, n.
  void Step(const float* gx, const float* gh) noexcept;
  void Commit() noexcept { h_.swap(next_h_); }

  const float* h() const { return h_.data(); }            // current state, input of the next step
  const float* next_h() const { return next_h_.data(); }  // output of the last step

 private:
  int units_ = 0;
  Vector<float> h_, next_h_;
};

}  // namespace seehear
