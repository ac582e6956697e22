#include "live/drift_resampler.h"

#include <algorithm>
#include <cmath>

#include "signal/frame_spec.h"
#include "signal/kaiser_sinc.h"

namespace seehear {

Status DriftResampler::Prepare(int rate_in, int rate_out) {
  for (int rate : {rate_in, rate_out}) {
    if (rate < FrameSpec::kMinRate || rate > FrameSpec::kMaxRate) {
      return Status::Error("sample rate must be %d to %d Hz, got %d", FrameSpec::kMinRate,
                           FrameSpec::kMaxRate, rate);
    }
  }
  nominal_step_ = step_ = static_cast<double>(rate_in) / rate_out;
  most_ = static_cast<int>(1.02 / nominal_step_) + 2;
  half_length_ = std::max(4, static_cast<int>(kKaiserHalfLength * rate_in) - 1);
  taps_ = (2 * half_length_ + 2 + 7) / 8 * 8;
  // An output waits for at most one input beyond its time.
  capacity_ = taps_ + static_cast<int>(1.02 * nominal_step_) + 2;
  SEEHEAR_RETURN_IF_ERROR(table_.Allocate((kPhases + 1) * taps_));
  SEEHEAR_RETURN_IF_ERROR(history_.Allocate(2 * capacity_));
  const double cutoff = (0.5 * std::min(rate_in, rate_out) - 0.3 * kKaiserTransition) / rate_in;
  Vector<double> row;
  SEEHEAR_RETURN_IF_ERROR(row.Allocate(taps_));
  for (int p = 0; p <= kPhases; ++p) {
    double sum = 0;
    for (int i = 0; i < taps_; ++i) {
      row[i] = KaiserSinc(delay() - static_cast<double>(p) / kPhases - i, half_length_, cutoff);
      sum += row[i];
    }
    // newest last, like history_; every row sums to 1
    for (int i = 0; i < taps_; ++i) table_[p * taps_ + taps_ - 1 - i] = static_cast<float>(row[i] / sum);
  }
  Reset();
  return Status::Ok();
}

void DriftResampler::Reset() noexcept {
  std::fill(history_.begin(), history_.end(), 0.0f);
  newest_ = 0;
  ahead_ = 1;  // the first output shares its time with the first input, still to come
}

void DriftResampler::Push(float x) noexcept {
  newest_ = newest_ + 1 == capacity_ ? 0 : newest_ + 1;
  history_[newest_] = history_[newest_ + capacity_] = x;
  ahead_ -= 1;
}

float DriftResampler::Pull() noexcept {
  // Time of the output = newest input - back whole samples + a fraction. Due lets it be below 1 only.
  const double floor = std::floor(ahead_);
  const double position = (ahead_ - floor) * kPhases;
  const int row = static_cast<int>(position), back = -static_cast<int>(floor);
  ahead_ += step_;
  const float* window = history_.data() + newest_ + capacity_ - back - taps_ + 1;
  const float* coefficients = table_.data() + row * taps_;
  const float below = DotOfEights(coefficients, window, taps_);
  const float above = DotOfEights(coefficients + taps_, window, taps_);
  return below + static_cast<float>(position - row) * (above - below);
}

}  // namespace seehear
