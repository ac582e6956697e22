// The low-pass filter of both resamplers: a sinc under a Kaiser window of about 68 dB.
#pragma once

#include <cmath>

namespace seehear {

constexpr double kKaiserBeta = 6.5;
constexpr double kKaiserTransition = 940.0;    // Hz, of that window at that length
constexpr double kKaiserHalfLength = 0.00185;  // seconds

inline double BesselI0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; k < 60; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// Not normalised. t: distance from the centre, samples; cutoff: cycles per sample.
inline double KaiserSinc(double t, double half_length, double cutoff) {
  constexpr double kPi = 3.14159265358979323846;
  const double u = t / half_length;
  if (std::abs(u) >= 1) return 0;
  const double x = 2 * cutoff * t;
  const double sinc = std::abs(x) < 1e-9 ? 1.0 : std::sin(kPi * x) / (kPi * x);
  return sinc * BesselI0(kKaiserBeta * std::sqrt(1 - u * u));
}

// Count is a multiple of 8. The order of additions is fixed, so that every machine gives the same bits.
inline float DotOfEights(const float* __restrict a, const float* __restrict b, int count) noexcept {
  float part[8] = {};
  for (int i = 0; i < count; i += 8) {
    for (int j = 0; j < 8; ++j) part[j] += a[i + j] * b[i + j];
  }
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

}  // namespace seehear
