// Sample rate conversion whose rate may change a little at any time: what keeps two clocks in step. As
// Resampler, but the place of an output is a real number, and the filter lies between two rows of a table.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class DriftResampler {
 public:
  Status Prepare(int rate_in, int rate_out);  // 8000 to 48000 Hz
  void Reset() noexcept;
  // ppm: parts in a million of samples more than nominal, within +-10^4. Heard from the next output on.
  void SetPpm(double ppm) noexcept { step_ = nominal_step_ / (1 + 1e-6 * ppm); }

  double delay() const { return half_length_ + 1; }  // input samples
  // Most outputs due after one Push.
  int most() const { return most_; }

  void Push(float x) noexcept;
  bool Due() const noexcept { return ahead_ < 1; }
  float Pull() noexcept;  // only when Due

 private:
  static constexpr int kPhases = 512;

  double nominal_step_ = 1, step_ = 1;  // input samples from one output to the next
  int most_ = 1;
  int half_length_ = 0;
  int taps_ = 0;
  Vector<float> table_;    // kPhases + 1 rows of taps_ coefficients
  Vector<float> history_;  // ring of the newest inputs, twice in a row: any window of it is contiguous
  int capacity_ = 0;
  int newest_ = 0;
  double ahead_ = 1;  // time of the next output minus time of the newest input, input samples
};

}  // namespace seehear
