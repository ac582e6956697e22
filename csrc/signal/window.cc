#include "signal/window.h"

#include <cmath>

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;

double Hann(int n, int length) { return 0.5 - 0.5 * std::cos(2 * kPi * n / length); }

}  // namespace

Status Window::Prepare(const FrameSpec& spec) {
  SEEHEAR_RETURN_IF_ERROR(spec.Validate());
  const int a = spec.analysis, s = spec.synthesis, h = spec.hop;
  const auto analysis = [a, h](int n) {
    return std::sqrt(n < a - h ? Hann(n, 2 * (a - h)) : Hann(n - (a - h) + h, 2 * h));
  };
  SEEHEAR_RETURN_IF_ERROR(analysis_.Allocate(a));
  SEEHEAR_RETURN_IF_ERROR(synthesis_.Allocate(s));
  energy_ = 0;
  for (int n = 0; n < a; ++n) {
    const double w = analysis(n);
    analysis_[n] = static_cast<float>(w);
    energy_ += w * w;
  }
  for (int n = 0; n < h; ++n) {
    // Both are 0 at the first sample of a symmetric pair; their quotient tends to 0.
    synthesis_[n] = n == 0 ? 0.0f : static_cast<float>(Hann(n, s) / analysis(a - s + n));
  }
  for (int n = h; n < s; ++n) synthesis_[n] = analysis_[a - s + n];
  return Status::Ok();
}

}  // namespace seehear
