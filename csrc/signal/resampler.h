// Sample rate conversion by a rational factor: polyphase FIR, Kaiser-windowed sinc, at most 2 ms of delay.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

// Sample by sample, so that the result cannot depend on the caller's block size:
//   resampler.Push(x); while (resampler.Due()) y = resampler.Pull();
// Output k is due once input floor(k * rate_in / rate_out) has been pushed, and stands for the input at time
// k * rate_in / rate_out - delay().
class Resampler {
 public:
  // extra_delay: 0 <= extra_delay < 1 input samples, added so that a chain of stages can end on a whole
  // sample.
  Status Prepare(int rate_in, int rate_out, double extra_delay = 0);
  // Bytes that Prepare takes; 0 for what it refuses.
  static size_t Memory(int rate_in, int rate_out);
  void Reset() noexcept;

  double delay() const { return delay_; }  // input samples, exact
  int taps() const { return taps_; }

  void Push(float x) noexcept;
  bool Due() const noexcept { return ahead_ < up_; }
  float Pull() noexcept;  // only when Due

 private:
  static constexpr int kMaxTaps = 192;  // at 48 kHz

  Status Design(int rate_in, int rate_out, double extra_delay);  // everything but the tables
  void FillRow(int phase, double cutoff) noexcept;

  int up_ = 1, down_ = 1;  // rate_out : rate_in in lowest terms
  int phases_ = 1;         // rows of the filter table, over one input sample
  int half_length_ = 0;    // of the filter, input samples
  int taps_ = 0;
  double delay_ = 0;
  Vector<float> table_;    // phases_ + 1 rows of taps_ coefficients
  Vector<float> history_;  // ring of the newest inputs, twice in a row: any window of it is contiguous
  int capacity_ = 0;
  int newest_ = 0;
  int ahead_ = 0;  // time of the next output minus time of the newest input, in 1 / up_ input samples
};

}  // namespace seehear
