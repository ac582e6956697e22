// Fusion of the two masks under the gate (E6), with a ramp that opens and closes without a click (E7), then
// the floor and the strength. There is no state after the fusion.
#pragma once

#include "base/status.h"

namespace seehear {

enum class FusionForm {
  kProduct,  // mask_AV = IBM x IRM: the lips can only veto
  kAv,       // mask_AV from a net that also sees the sound
};

class MaskFusion {
 public:
  Status Prepare(int bands);
  void Reset() noexcept { ramp_ = 0; }

  // Once per hop: towards open (ten hops) or closed (five hops).
  void Step(bool seeing) noexcept;
  void Close() noexcept { ramp_ = 0; }  // at once
  bool open() const { return ramp_ > 0; }
  float ramp() const { return 0.1f * static_cast<float>(ramp_); }

  // gate: M values of the gate net, replaced by ramp * gate. fused = gate * mask_av + (1 - gate) * irm.
  void Fuse(const float* irm, const float* mask_av, float* gate, float* fused) const noexcept;
  // gain = 1 - strength * (1 - max(mask, floor_gain)).
  static void Gain(const float* mask, int bands, float floor_gain, float strength, float* gain) noexcept;

 private:
  static constexpr int kOpen = 10;
  int bands_ = 0;
  int ramp_ = 0;  // tenths, whole numbers so that closed is exactly 0
};

}  // namespace seehear
