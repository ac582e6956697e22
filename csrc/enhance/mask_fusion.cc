#include "enhance/mask_fusion.h"

#include "base/fast_math.h"

namespace seehear {

Status MaskFusion::Prepare(int bands) {
  if (bands < 1) return Status::Error("fusion needs at least 1 band, got %d", bands);
  bands_ = bands;
  Reset();
  return Status::Ok();
}

void MaskFusion::Step(bool seeing) noexcept {
  ramp_ += seeing ? 1 : -2;
  if (ramp_ > kOpen) ramp_ = kOpen;
  if (ramp_ < 0) ramp_ = 0;
}

void MaskFusion::Fuse(const float* irm, const float* mask_av, float* gate, float* fused) const noexcept {
  const float r = ramp();
  for (int b = 0; b < bands_; ++b) {
    const float g = r * gate[b];
    gate[b] = g;
    fused[b] = Clamp(g * mask_av[b] + (1.0f - g) * irm[b], 0.0f, 1.0f);
  }
}

void MaskFusion::Gain(const float* mask, int bands, float floor_gain, float strength, float* gain) noexcept {
  for (int b = 0; b < bands; ++b) {
    const float floored = mask[b] > floor_gain ? mask[b] : floor_gain;
    gain[b] = 1.0f - strength * (1.0f - floored);
  }
}

}  // namespace seehear
