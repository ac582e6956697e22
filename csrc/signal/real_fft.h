// FFT of real signals, power-of-two length, split spectra (re[], im[]) of length / 2 + 1 bins.
// Radix-4 Stockham over half the length; nothing is allocated after Prepare.
#pragma once

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class RealFft {
 public:
  Status Prepare(int length);  // a power of two, 32 to 65536

  int length() const { return length_; }
  int bins() const { return length_ / 2 + 1; }

  // X[k] = sum_j x[j] exp(-2 pi i j k / length), not scaled.
  void Forward(const float* x, float* re, float* im) noexcept;
  // The exact inverse: scaled by 1 / length. The imaginary parts of bin 0 and of the last bin are ignored.
  void Inverse(const float* re, const float* im, float* x) noexcept;

 private:
  // Complex transform of the scratch buffers; returns the buffer (0 or 1) that holds the result.
  // `inverse` swaps the roles of re and im, which conjugates input and output.
  int Transform(bool inverse) noexcept;

  int length_ = 0;
  Vector<float> twiddle_;  // per pass: re and im of w, w^2, w^3, each for p = 0 .. n / 4 - 1
  Vector<float> turn_re_;  // exp(-2 pi i k / length), k = 0 .. length / 4
  Vector<float> turn_im_;
  Vector<float> re_[2];
  Vector<float> im_[2];
};

}  // namespace seehear
