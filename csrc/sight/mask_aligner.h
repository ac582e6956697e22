// One image gives masks for several hops: mask j of the image of tick i belongs to hop masks * i + j (E5).
#pragma once

#include <cstdint>

#include "base/status.h"
#include "base/vector.h"

namespace seehear {

class MaskAligner {
 public:
  static constexpr int kMaxMasks = 64;  // per image

  Status Prepare(int masks_per_image, int bands);
  void Reset() noexcept;  // no mask

  bool IsTick(uint64_t hop) const noexcept { return hop % static_cast<uint64_t>(masks_) == 0; }
  // masks: masks_per_image * bands values of the tick that has just happened, limited to 0..1.
  void Put(const float* masks) noexcept;
  // The mask of a hop since that tick, or nullptr if there is none.
  const float* At(uint64_t hop) const noexcept;

 private:
  int masks_ = 1;
  int bands_ = 0;
  bool filled_ = false;
  Vector<float> values_;
};

}  // namespace seehear
