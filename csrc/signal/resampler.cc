#include "signal/resampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "signal/frame_spec.h"
#include "signal/kaiser_sinc.h"

namespace seehear {
namespace {

constexpr int kMaxPhases = 640;  // exact rows up to this; beyond it, rows are interpolated
constexpr int kInterpolatedPhases = 512;

}  // namespace

Status Resampler::Design(int rate_in, int rate_out, double extra_delay) {
  for (int rate : {rate_in, rate_out}) {
    if (rate < FrameSpec::kMinRate || rate > FrameSpec::kMaxRate) {
      return Status::Error("sample rate must be %d to %d Hz, got %d", FrameSpec::kMinRate,
                           FrameSpec::kMaxRate, rate);
    }
  }
  if (!(extra_delay >= 0 && extra_delay < 1)) {
    return Status::Error("extra delay must be at least 0 and below 1 sample, got %g", extra_delay);
  }
  const int divisor = std::gcd(rate_in, rate_out);
  up_ = rate_out / divisor;
  down_ = rate_in / divisor;
  phases_ = up_ <= kMaxPhases ? up_ : kInterpolatedPhases;

  // Output k needs inputs up to half_length_ after its centre, and the newest input it may use lies up to one
  // sample before its own time: hence one sample more.
  half_length_ = std::max(4, static_cast<int>(kKaiserHalfLength * rate_in) - 1);
  delay_ = half_length_ + 1 + extra_delay;
  // Tap i weighs the input i samples before floor(time of the output): the filter's 2 half_length_ + 1, one
  // for the phase and one for an extra delay; rows are padded to whole groups of 8.
  taps_ = (2 * half_length_ + 3 + 7) / 8 * 8;
  // Due() lets an output wait for at most one input beyond its time, and one Push may come before its Pulls.
  capacity_ = taps_ + down_ / up_ + 2;
  return Status::Ok();
}

size_t Resampler::Memory(int rate_in, int rate_out) {
  Resampler plan;
  if (!plan.Design(rate_in, rate_out, 0).ok()) return 0;
  return Vector<float>::Memory((plan.phases_ + 1) * plan.taps_) + Vector<float>::Memory(2 * plan.capacity_);
}

Status Resampler::Prepare(int rate_in, int rate_out, double extra_delay) {
  SEEHEAR_RETURN_IF_ERROR(Design(rate_in, rate_out, extra_delay));
  SEEHEAR_RETURN_IF_ERROR(table_.Allocate((phases_ + 1) * taps_));
  SEEHEAR_RETURN_IF_ERROR(history_.Allocate(2 * capacity_));
  const double nyquist = 0.5 * std::min(rate_in, rate_out);
  const double cutoff = (nyquist - 0.3 * kKaiserTransition) / rate_in;  // cycles per input sample
  for (int p = 0; p <= phases_; ++p) FillRow(p, cutoff);
  Reset();
  return Status::Ok();
}

void Resampler::FillRow(int phase, double cutoff) noexcept {
  double row[kMaxTaps];
  double sum = 0;
  for (int i = 0; i < taps_; ++i) {
    const double t =
        delay_ - static_cast<double>(phase) / phases_ - i;  // distance of the tap from the centre
    row[i] = KaiserSinc(t, half_length_, cutoff);
    sum += row[i];
  }
  // Every row sums to 1: a constant stays exactly that constant at every phase. Stored newest last, like
  // history_.
  float* coefficients = table_.data() + static_cast<size_t>(phase) * taps_;
  for (int i = 0; i < taps_; ++i) coefficients[taps_ - 1 - i] = static_cast<float>(row[i] / sum);
}

void Resampler::Reset() noexcept {
  std::fill(history_.begin(), history_.end(), 0.0f);
  newest_ = 0;
  ahead_ = up_;  // the first output shares its time with the first input, still to come
}

void Resampler::Push(float x) noexcept {
  newest_ = newest_ + 1 == capacity_ ? 0 : newest_ + 1;
  history_[newest_] = history_[newest_ + capacity_] = x;
  ahead_ -= up_;
}

float Resampler::Pull() noexcept {
  // Time of the output = newest input + back whole samples + phase / up_.
  int back = 0, phase = ahead_;
  while (phase < 0) {
    phase += up_;
    ++back;
  }
  ahead_ += down_;
  const int last = newest_ + capacity_ - back;  // in the second copy, or the tail of the first
  const float* window = history_.data() + last - taps_ + 1;
  if (phases_ == up_) return DotOfEights(table_.data() + static_cast<size_t>(phase) * taps_, window, taps_);
  const double position = static_cast<double>(phase) * phases_ / up_;
  const int row = static_cast<int>(position);
  const float* coefficients = table_.data() + static_cast<size_t>(row) * taps_;
  const float below = DotOfEights(coefficients, window, taps_);
  const float above = DotOfEights(coefficients + taps_, window, taps_);
  return below + static_cast<float>(position - row) * (above - below);
}

}  // namespace seehear
