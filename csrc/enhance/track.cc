#include "enhance/track.h"

#include "enhance/mask_fusion.h"

namespace seehear {

Status Track::Prepare(StftFrame* frame, BandLayout* layout) {
  layout_ = layout;
  SEEHEAR_RETURN_IF_ERROR(synthesizer_.Prepare(frame));
  return gain_.Allocate(layout->bands());
}

void Track::Render(const float* mask, float floor_gain, float strength, float* re, float* im,
                   float* out) noexcept {
  MaskFusion::Gain(mask, gain_.size(), floor_gain, strength, gain_.data());
  layout_->Apply(gain_.data(), re, im);
  synthesizer_.Process(re, im, out);
}

}  // namespace seehear
