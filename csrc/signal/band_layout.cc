#include "signal/band_layout.h"

#include <cstring>

namespace seehear {

Status BandLayout::Prepare(const Vector<int>& edges, int bins, double energy) {
  if (edges.size() < 2) {
    return Status::Error("bands.edges must hold at least 2 bin indices, got %d", edges.size());
  }
  if (edges[0] != 0 || edges[edges.size() - 1] != bins) {
    return Status::Error("bands.edges must run from 0 to %d (all bins), got %d to %d", bins, edges[0],
                         edges[edges.size() - 1]);
  }
  for (int b = 0; b + 1 < edges.size(); ++b) {
    if (edges[b + 1] <= edges[b]) {
      return Status::Error("bands.edges must rise: edges[%d] = %d is followed by %d", static_cast<int>(b),
                           edges[b], edges[b + 1]);
    }
  }
  SEEHEAR_RETURN_IF_ERROR(edges_.CopyFrom(edges));
  bins_ = bins;
  bands_ = edges.size() - 1;
  singles_ = 0;
  while (singles_ < bands_ && edges[singles_ + 1] == singles_ + 1) ++singles_;
  SEEHEAR_RETURN_IF_ERROR(scale_.Allocate(bands_));
  for (int b = 0; b < bands_; ++b) scale_[b] = static_cast<float>(1.0 / (energy * (edges[b + 1] - edges[b])));
  return per_bin_.Allocate(bins);
}

void BandLayout::Power(const float* re, const float* im, float* power) noexcept {
  float* __restrict square = per_bin_.data();
  for (int k = 0; k < bins_; ++k) square[k] = re[k] * re[k] + im[k] * im[k];
  const float* __restrict scale = scale_.data();
  for (int b = 0; b < singles_; ++b) power[b] = square[b] * scale[b];
  for (int b = singles_; b < bands_; ++b) {
    float sum = 0.0f;
    for (int k = edges_[b]; k < edges_[b + 1]; ++k) sum += square[k];
    power[b] = sum * scale[b];
  }
}

void BandLayout::Apply(const float* gain, float* re, float* im) noexcept {
  float* __restrict bin_gain = per_bin_.data();
  std::memcpy(bin_gain, gain, singles_ * sizeof(float));
  for (int b = singles_; b < bands_; ++b) {
    for (int k = edges_[b]; k < edges_[b + 1]; ++k) bin_gain[k] = gain[b];
  }
  float* __restrict real = re;
  float* __restrict imaginary = im;
  for (int k = 0; k < bins_; ++k) {
    real[k] *= bin_gain[k];
    imaginary[k] *= bin_gain[k];
  }
}

}  // namespace seehear
