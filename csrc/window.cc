#include "window.h"

#include <cmath>

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;

double Hann(int n, int length) { return 0.5 - 0.5 * std::cos(2 * kPi * n / length); }

}  // namespace

Status Window::Prepare(const FrameSpec& spec) {
  SEEHEAR_RETURN_IF_ERROR(spec.Validate());
  const int a = spec.analysis, s = spec.synthesis, h = spec.hop;
  std::vector<double> wa(a);
  for (int n = 0; n < a - h; ++n) wa[n] = std::sqrt(Hann(n, 2 * (a - h)));
  for (int n = a - h; n < a; ++n) wa[n] = std::sqrt(Hann(n - (a - h) + h, 2 * h));

  analysis_.assign(wa.begin(), wa.end());
  energy_ = 0;
  for (double w : wa) energy_ += w * w;

  synthesis_.resize(s);
  for (int n = 0; n < h; ++n) {
    // Both are 0 at the first sample of a symmetric pair; their quotient tends to 0.
    synthesis_[n] = n == 0 ? 0.0f : static_cast<float>(Hann(n, s) / wa[a - s + n]);
  }
  for (int n = h; n < s; ++n) synthesis_[n] = static_cast<float>(wa[a - s + n]);
  return Status::Ok();
}

}  // namespace seehear
