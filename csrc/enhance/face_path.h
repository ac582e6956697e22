// What the eye knows of one face: images -> face state -> lip masks -> gate -> the mask of that talker
// (E4-E7). Any number of them look beside one SoundPath; graphs are shared, all state is a face's own.
#pragma once

#include "base/counters.h"
#include "enhance/agreement.h"
#include "enhance/fed_net.h"
#include "enhance/scheduler_config.h"
#include "enhance/sound_path.h"
#include "sight/lip_features.h"
#include "sight/mask_aligner.h"
#include "sight/visual_queue.h"

namespace seehear {

class FacePath {
 public:
  // sound: prepared; it must outlive the path and stay where it is. Without vision in the config the path is
  // blind: its mask is the IRM.
  Status Prepare(const SchedulerConfig& config, const SoundPath& sound, Vector<Graph>* graphs);
  void Reset() noexcept;

  // From one other thread at a time; false if the queue is full.
  bool See(const float* landmarks, double t) noexcept { return queue_.Push(landmarks, t); }

  // At the start of hop number `hop`: at a visual tick images -> face state -> lip masks. now: the end of the
  // hop; delay: age of an image when it is used; both in seconds.
  void Look(uint64_t hop, double now, double delay, const Invoke& invoke, Counters* counters) noexcept;
  // IRM and lip mask of that hop -> mask.
  void Fuse(uint64_t hop, const Invoke& invoke, Counters* counters) noexcept;
  // Takes from the mask what only `other` can be sounding: its lips move in the band, these do not.
  //   mask *= 1 - ramp * other.ramp * other.ibm * (1 - ibm)
  void Yield(const FacePath& other) noexcept;

  const FaceState& state() const { return state_; }
  float ramp() const { return fusion_.ramp(); }           // 0 closed .. 1 open
  const float* ibm() const { return ibm_.data(); }        // 1 while the gate is closed
  const float* gate() const { return gate_.data(); }      // ramp included; 0 while closed
  const float* mask() const { return mask_.data(); }      // before floor and strength
  float agreement() const { return agreement_.value(); }  // of lips and sound; any thread

 private:
  Status PrepareSight(const SchedulerConfig& config, Vector<Graph>* graphs);
  void TakeImages(double now, double delay, Counters* counters) noexcept;
  bool Stale(const VisualImage& image) const noexcept;  // not newer than the last one taken
  bool Overtaken() const noexcept;  // a later image has a time before that of the one at the front
  void CloseGate() noexcept;

  const SoundPath* sound_ = nullptr;
  bool sees_ = false;
  VisualQueue queue_;
  FaceState state_;
  LipFeatures lip_features_;
  FedNet lip_net_, gate_net_;
  MaskAligner aligner_;
  MaskFusion fusion_;
  Agreement agreement_;
  const float* lip_masks_ = nullptr;
  const float* gate_weight_ = nullptr;
  const float* gate_mask_ = nullptr;
  Vector<float> ibm_, product_, gate_, mask_;
  float lip_values_[LipFeatures::kSize] = {};
};

}  // namespace seehear
