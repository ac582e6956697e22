#include "signal/real_fft.h"

#include <cmath>

#include "base/lanes.h"

namespace seehear {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Complex {
  Lanes re, im;
};

inline Complex operator+(Complex a, Complex b) noexcept { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) noexcept { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) noexcept {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
inline Complex TimesMinusI(Complex a) noexcept { return {a.im, Lanes{} - a.re}; }

inline Complex LoadAt(const float* re, const float* im, int at) noexcept {
  return {Load(re + at), Load(im + at)};
}

// Four transforms of length 4 side by side; outputs 1, 2, 3 are turned by w1, w2, w3.
struct Butterfly {
  Complex y0, y1, y2, y3;

  Butterfly(Complex a, Complex b, Complex c, Complex d, Complex w1, Complex w2, Complex w3) noexcept {
    const Complex s = a + c, t = a - c, u = b + d, v = TimesMinusI(b - d);
    y0 = s + u;
    y1 = (t + v) * w1;
    y2 = (s - u) * w2;
    y3 = (t - v) * w3;
  }
};

// First pass, stride 1: four neighbouring p at a time, transposed on the way out.
void FirstPass(int quarter, const float* __restrict w, const float* __restrict xr, const float* __restrict xi,
               float* __restrict yr, float* __restrict yi) noexcept {
  for (int p = 0; p < quarter; p += 4) {
    const Butterfly y(LoadAt(xr, xi, p), LoadAt(xr, xi, p + quarter), LoadAt(xr, xi, p + 2 * quarter),
                      LoadAt(xr, xi, p + 3 * quarter), LoadAt(w, w + quarter, p),
                      LoadAt(w + 2 * quarter, w + 3 * quarter, p),
                      LoadAt(w + 4 * quarter, w + 5 * quarter, p));
    StoreTransposed(yr + 4 * p, y.y0.re, y.y1.re, y.y2.re, y.y3.re);
    StoreTransposed(yi + 4 * p, y.y0.im, y.y1.im, y.y2.im, y.y3.im);
  }
}

// Later passes: four neighbours of one stride at a time share their twiddle factors.
void Pass(int quarter, int stride, const float* __restrict w, const float* __restrict xr,
          const float* __restrict xi, float* __restrict yr, float* __restrict yi) noexcept {
  const int step = stride * quarter;
  for (int p = 0; p < quarter; ++p) {
    const Complex w1{All(w[p]), All(w[p + quarter])};
    const Complex w2{All(w[p + 2 * quarter]), All(w[p + 3 * quarter])};
    const Complex w3{All(w[p + 4 * quarter]), All(w[p + 5 * quarter])};
    for (int q = 0; q < stride; q += 4) {
      const int from = stride * p + q, to = 4 * stride * p + q;
      const Butterfly y(LoadAt(xr, xi, from), LoadAt(xr, xi, from + step), LoadAt(xr, xi, from + 2 * step),
                        LoadAt(xr, xi, from + 3 * step), w1, w2, w3);
      Store(yr + to, y.y0.re);
      Store(yi + to, y.y0.im);
      Store(yr + to + stride, y.y1.re);
      Store(yi + to + stride, y.y1.im);
      Store(yr + to + 2 * stride, y.y2.re);
      Store(yi + to + 2 * stride, y.y2.im);
      Store(yr + to + 3 * stride, y.y3.re);
      Store(yi + to + 3 * stride, y.y3.im);
    }
  }
}

// Last pass where the length is not a power of four.
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
  if (length < 32 || length > 65536 || (length & (length - 1)) != 0) {
    return Status::Error("FFT length must be a power of two from 32 to 65536, got %d", length);
  }
  length_ = length;
  const int half = length / 2;
  int count = 0;
  for (int n = half; n >= 4; n /= 4) count += 6 * (n / 4);
  SEEHEAR_RETURN_IF_ERROR(twiddle_.Allocate(count));
  float* next = twiddle_.data();
  for (int n = half; n >= 4; n /= 4) {
    for (int power = 1; power <= 3; ++power) {
      for (int p = 0; p < n / 4; ++p) *next++ = static_cast<float>(std::cos(2 * kPi * p * power / n));
      for (int p = 0; p < n / 4; ++p) *next++ = static_cast<float>(-std::sin(2 * kPi * p * power / n));
    }
  }
  SEEHEAR_RETURN_IF_ERROR(turn_re_.Allocate(half / 2 + 1));
  SEEHEAR_RETURN_IF_ERROR(turn_im_.Allocate(half / 2 + 1));
  for (int k = 0; k <= half / 2; ++k) {
    turn_re_[k] = static_cast<float>(std::cos(2 * kPi * k / length));
    turn_im_[k] = static_cast<float>(-std::sin(2 * kPi * k / length));
  }
  for (int i = 0; i < 2; ++i) {
    SEEHEAR_RETURN_IF_ERROR(re_[i].Allocate(half));
    SEEHEAR_RETURN_IF_ERROR(im_[i].Allocate(half));
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
  FirstPass(half / 4, table, re[0], im[0], re[1], im[1]);
  table += 6 * (half / 4);
  int from = 1, stride = 4, n = half / 4;
  for (; n >= 4; n /= 4, stride *= 4) {
    Pass(n / 4, stride, table, re[from], im[from], re[1 - from], im[1 - from]);
    table += 6 * (n / 4);
    from = 1 - from;
  }
  if (n == 2) {
    LastPass2(stride, re[from], im[from], re[1 - from], im[1 - from]);
    from = 1 - from;
  }
  return from;
}

void RealFft::Forward(const float* x, float* re, float* im) noexcept {
  const int half = length_ / 2;
  float* even = re_[0].data();
  float* odd = im_[0].data();
  for (int j = 0; j < half; j += 4) {
    const Lanes low = Load(x + 2 * j), high = Load(x + 2 * j + 4);
    Store(even + j, EvenOf(low, high));
    Store(odd + j, OddOf(low, high));
  }
  const int at = Transform(false);
  const float* zr = re_[at].data();
  const float* zi = im_[at].data();
  const float* cr = turn_re_.data();
  const float* ci = turn_im_.data();
  re[0] = zr[0] + zi[0];
  im[0] = 0.0f;
  re[half] = zr[0] - zi[0];
  im[half] = 0.0f;
  // With E, O the spectra of even and odd samples: X[k] = E + W O and X[half - k] = conj(E - W O).
  const Lanes h = All(0.5f);
  int k = 1;
  for (; k + 3 < half / 2; k += 4) {
    const int mirror = half - k - 3;
    const Lanes ar = Load(zr + k), ai = Load(zi + k), br = Reverse(Load(zr + mirror)),
                bi = Reverse(Load(zi + mirror));
    const Complex e{h * (ar + br), h * (ai - bi)};
    const Complex o = Complex{h * (ai + bi), h * (br - ar)} * LoadAt(cr, ci, k);
    Store(re + k, e.re + o.re);
    Store(im + k, e.im + o.im);
    Store(re + mirror, Reverse(e.re - o.re));
    Store(im + mirror, Reverse(o.im - e.im));
  }
  for (; k <= half / 2; ++k) {
    const float er = 0.5f * (zr[k] + zr[half - k]), ei = 0.5f * (zi[k] - zi[half - k]);
    const float dr = 0.5f * (zi[k] + zi[half - k]), di = 0.5f * (zr[half - k] - zr[k]);
    const float wr = dr * cr[k] - di * ci[k], wi = dr * ci[k] + di * cr[k];
    re[k] = er + wr;
    im[k] = ei + wi;
    re[half - k] = er - wr;
    im[half - k] = wi - ei;
  }
}

void RealFft::Inverse(const float* re, const float* im, float* x) noexcept {
  const int half = length_ / 2;
  const float* cr = turn_re_.data();
  const float* ci = turn_im_.data();
  float* zr = re_[0].data();
  float* zi = im_[0].data();
  const float scale = 1.0f / static_cast<float>(length_);  // a power of two, so exact
  zr[0] = scale * (re[0] + re[half]);
  zi[0] = scale * (re[0] - re[half]);
  const Lanes s = All(scale);
  int k = 1;
  for (; k + 3 < half / 2; k += 4) {
    const int mirror = half - k - 3;
    const Lanes ar = Load(re + k), ai = Load(im + k), br = Reverse(Load(re + mirror)),
                bi = Reverse(Load(im + mirror));
    const Complex e{s * (ar + br), s * (ai - bi)};
    const Complex d{s * (ar - br), s * (ai + bi)};
    const Lanes wr = Load(cr + k), wi = Load(ci + k);
    const Complex o{d.re * wr + d.im * wi, d.im * wr - d.re * wi};  // times conj(W)
    Store(zr + k, e.re - o.im);
    Store(zi + k, e.im + o.re);
    Store(zr + mirror, Reverse(e.re + o.im));
    Store(zi + mirror, Reverse(o.re - e.im));
  }
  for (; k <= half / 2; ++k) {
    const float er = scale * (re[k] + re[half - k]), ei = scale * (im[k] - im[half - k]);
    const float dr = scale * (re[k] - re[half - k]), di = scale * (im[k] + im[half - k]);
    const float wr = dr * cr[k] + di * ci[k], wi = di * cr[k] - dr * ci[k];
    zr[k] = er - wi;
    zi[k] = ei + wr;
    zr[half - k] = er + wi;
    zi[half - k] = wr - ei;
  }
  const int at = Transform(true);
  const float* even = re_[at].data();
  const float* odd = im_[at].data();
  for (int j = 0; j < half; j += 4) {
    const Lanes low = Load(even + j), high = Load(odd + j);
    Store(x + 2 * j, ZipLow(low, high));
    Store(x + 2 * j + 4, ZipHigh(low, high));
  }
}

}  // namespace seehear
