#include "real_fft.h"

#include <cmath>

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;

// One butterfly of four inputs; w1, w2, w3 rotate outputs 1, 2, 3.
struct Twiddles {
  float w1r, w1i, w2r, w2i, w3r, w3i;
};

inline void Butterfly4(float ar, float ai, float br, float bi, float cr, float ci, float dr, float di,
                       const Twiddles& w, float* yr, float* yi, int stride) noexcept {
  const float sr = ar + cr, si = ai + ci, tr = ar - cr, ti = ai - ci;
  const float ur = br + dr, ui = bi + di, vr = br - dr, vi = bi - di;
  yr[0] = sr + ur;
  yi[0] = si + ui;
  const float pr = tr + vi, pi = ti - vr;  // (a - c) - i (b - d)
  yr[stride] = pr * w.w1r - pi * w.w1i;
  yi[stride] = pr * w.w1i + pi * w.w1r;
  const float qr = sr - ur, qi = si - ui;
  yr[2 * stride] = qr * w.w2r - qi * w.w2i;
  yi[2 * stride] = qr * w.w2i + qi * w.w2r;
  const float rr = tr - vi, ri = ti + vr;  // (a - c) + i (b - d)
  yr[3 * stride] = rr * w.w3r - ri * w.w3i;
  yi[3 * stride] = rr * w.w3i + ri * w.w3r;
}

// First pass: stride 1, so the loop over p is the one to vectorise.
void FirstPass(int quarter, const float* __restrict table, const float* __restrict xr, const float* __restrict xi,
               float* __restrict yr, float* __restrict yi) noexcept {
  const float* w1r = table;
  const float* w1i = table + quarter;
  const float* w2r = table + 2 * quarter;
  const float* w2i = table + 3 * quarter;
  const float* w3r = table + 4 * quarter;
  const float* w3i = table + 5 * quarter;
  for (int p = 0; p < quarter; ++p) {
    const Twiddles w{w1r[p], w1i[p], w2r[p], w2i[p], w3r[p], w3i[p]};
    Butterfly4(xr[p], xi[p], xr[p + quarter], xi[p + quarter], xr[p + 2 * quarter], xi[p + 2 * quarter],
               xr[p + 3 * quarter], xi[p + 3 * quarter], w, yr + 4 * p, yi + 4 * p, 1);
  }
}

// Later passes: the loop over q (stride) is contiguous. Stride is a template argument where that unrolls it whole.
template <int kStride>
void Pass(int quarter, int stride_argument, const float* __restrict table, const float* __restrict xr,
          const float* __restrict xi, float* __restrict yr, float* __restrict yi) noexcept {
  const int stride = kStride > 0 ? kStride : stride_argument;
  const int step = stride * quarter;
  for (int p = 0; p < quarter; ++p) {
    const Twiddles w{table[p],
                     table[p + quarter],
                     table[p + 2 * quarter],
                     table[p + 3 * quarter],
                     table[p + 4 * quarter],
                     table[p + 5 * quarter]};
    const float* ar = xr + stride * p;
    const float* ai = xi + stride * p;
    float* br = yr + 4 * stride * p;
    float* bi = yi + 4 * stride * p;
    for (int q = 0; q < stride; ++q) {
      Butterfly4(ar[q], ai[q], ar[q + step], ai[q + step], ar[q + 2 * step], ai[q + 2 * step], ar[q + 3 * step],
                 ai[q + 3 * step], w, br + q, bi + q, stride);
    }
  }
}

void LastPass2(int stride, const float* __restrict xr, const float* __restrict xi, float* __restrict yr,
               float* __restrict yi) noexcept {
  for (int q = 0; q < stride; ++q) {
    yr[q] = xr[q] + xr[q + stride];
    yi[q] = xi[q] + xi[q + stride];
    yr[q + stride] = xr[q] - xr[q + stride];
    yi[q + stride] = xi[q] - xi[q + stride];
  }
}

}  // namespace

Status RealFft::Prepare(int length) {
  if (length < 8 || length > 65536 || (length & (length - 1)) != 0) {
    return Status::Error("FFT length must be a power of two from 8 to 65536, got %d", length);
  }
  length_ = length;
  const int half = length / 2;
  twiddle_.clear();
  for (int n = half; n >= 4; n /= 4) {
    for (int power = 1; power <= 3; ++power) {
      for (int p = 0; p < n / 4; ++p) twiddle_.push_back(static_cast<float>(std::cos(2 * kPi * p * power / n)));
      for (int p = 0; p < n / 4; ++p) twiddle_.push_back(static_cast<float>(-std::sin(2 * kPi * p * power / n)));
    }
  }
  turn_re_.resize(half / 2 + 1);
  turn_im_.resize(half / 2 + 1);
  for (int k = 0; k <= half / 2; ++k) {
    turn_re_[k] = static_cast<float>(std::cos(2 * kPi * k / length));
    turn_im_[k] = static_cast<float>(-std::sin(2 * kPi * k / length));
  }
  for (int i = 0; i < 2; ++i) {
    re_[i].assign(half, 0.0f);
    im_[i].assign(half, 0.0f);
  }
  return Status::Ok();
}

int RealFft::Transform(bool inverse) noexcept {
  const int half = length_ / 2;
  float* re[2] = {re_[0].data(), re_[1].data()};
  float* im[2] = {im_[0].data(), im_[1].data()};
  if (inverse) {
    for (int i = 0; i < 2; ++i) {
      float* swap = re[i];
      re[i] = im[i];
      im[i] = swap;
    }
  }
  const float* table = twiddle_.data();
  int from = 0, stride = 1, n = half;
  for (; n >= 4; n /= 4, stride *= 4) {
    const int quarter = n / 4;
    const int to = 1 - from;
    if (stride == 1) {
      FirstPass(quarter, table, re[from], im[from], re[to], im[to]);
    } else if (stride == 4) {
      Pass<4>(quarter, stride, table, re[from], im[from], re[to], im[to]);
    } else {
      Pass<0>(quarter, stride, table, re[from], im[from], re[to], im[to]);
    }
    table += 6 * quarter;
    from = to;
  }
  if (n == 2) {
    LastPass2(stride, re[from], im[from], re[1 - from], im[1 - from]);
    from = 1 - from;
  }
  return from;
}

void RealFft::Forward(const float* x, float* re, float* im) noexcept {
  const int half = length_ / 2;
  float* __restrict even = re_[0].data();
  float* __restrict odd = im_[0].data();
  for (int j = 0; j < half; ++j) {
    even[j] = x[2 * j];
    odd[j] = x[2 * j + 1];
  }
  const int at = Transform(false);
  const float* __restrict zr = re_[at].data();
  const float* __restrict zi = im_[at].data();
  const float* __restrict cr = turn_re_.data();
  const float* __restrict ci = turn_im_.data();
  float* __restrict xr = re;
  float* __restrict xi = im;
  xr[0] = zr[0] + zi[0];
  xi[0] = 0.0f;
  xr[half] = zr[0] - zi[0];
  xi[half] = 0.0f;
  // With E, O the spectra of even and odd samples: X[k] = E + W O and X[half - k] = conj(E - W O).
  for (int k = 1; k <= half / 2; ++k) {
    const float er = 0.5f * (zr[k] + zr[half - k]), ei = 0.5f * (zi[k] - zi[half - k]);
    const float or_ = 0.5f * (zi[k] + zi[half - k]), oi = 0.5f * (zr[half - k] - zr[k]);
    const float wr = or_ * cr[k] - oi * ci[k], wi = or_ * ci[k] + oi * cr[k];
    xr[k] = er + wr;
    xi[k] = ei + wi;
    xr[half - k] = er - wr;
    xi[half - k] = wi - ei;
  }
}

void RealFft::Inverse(const float* re, const float* im, float* x) noexcept {
  const int half = length_ / 2;
  const float* __restrict xr = re;
  const float* __restrict xi = im;
  const float* __restrict cr = turn_re_.data();
  const float* __restrict ci = turn_im_.data();
  float* __restrict zr = re_[0].data();
  float* __restrict zi = im_[0].data();
  const float scale = 1.0f / static_cast<float>(length_);  // a power of two, so exact
  zr[0] = scale * (xr[0] + xr[half]);
  zi[0] = scale * (xr[0] - xr[half]);
  for (int k = 1; k <= half / 2; ++k) {
    const float er = scale * (xr[k] + xr[half - k]), ei = scale * (xi[k] - xi[half - k]);
    const float dr = scale * (xr[k] - xr[half - k]), di = scale * (xi[k] + xi[half - k]);
    const float or_ = dr * cr[k] + di * ci[k], oi = di * cr[k] - dr * ci[k];  // times conj(W)
    zr[k] = er - oi;
    zi[k] = ei + or_;
    zr[half - k] = er + oi;
    zi[half - k] = or_ - ei;
  }
  const int at = Transform(true);
  const float* __restrict even = re_[at].data();
  const float* __restrict odd = im_[at].data();
  for (int j = 0; j < half; ++j) {
    x[2 * j] = even[j];
    x[2 * j + 1] = odd[j];
  }
}

}  // namespace seehear
