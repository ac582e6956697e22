#include "sight/mask_aligner.h"

#include "base/fast_math.h"

namespace seehear {

Status MaskAligner::Prepare(int masks_per_image, int bands) {
  if (masks_per_image < 1 || masks_per_image > kMaxMasks) {
    return Status::Error("visual.masks_per_image must be 1 to %d, got %d", kMaxMasks, masks_per_image);
  }
  masks_ = masks_per_image;
  bands_ = bands;
  SEEHEAR_RETURN_IF_ERROR(values_.Allocate(masks_per_image * bands));
  Reset();
  return Status::Ok();
}

void MaskAligner::Reset() noexcept { filled_ = false; }

void MaskAligner::Put(const float* masks) noexcept {
  for (int i = 0; i < masks_ * bands_; ++i) values_[i] = Clamp(masks[i], 0.0f, 1.0f);
  filled_ = true;
}

const float* MaskAligner::At(uint64_t hop) const noexcept {
  return filled_ ? values_.data() + hop % static_cast<uint64_t>(masks_) * static_cast<uint64_t>(bands_)
                 : nullptr;
}

}  // namespace seehear
