#include "enhance/face_path.h"

#include <algorithm>
#include <cstring>

#include "base/fast_math.h"

namespace seehear {
namespace {

// seconds; image times and hop times are computed by different people
constexpr double kTimeTolerance = 1e-6;

// After FaceState and MaskAligner have checked them: 31 bits x 64 x 12 bits fit.
Status CheckVisualRate(const FrameSpec& frame, const VisualSpec& visual) {
  if (static_cast<long long>(visual.rate) * visual.masks_per_image * frame.hop == frame.rate)
    return Status::Ok();
  return Status::Error(
      "visual.rate x visual.masks_per_image must equal the hops per second (%g), got %d x %d",
      static_cast<double>(frame.rate) / frame.hop, visual.rate, visual.masks_per_image);
}

}  // namespace

Status FacePath::Prepare(const SchedulerConfig& config, const SoundPath& sound, Vector<Graph>* graphs) {
  sound_ = &sound;
  sees_ = config.has_vision;
  SEEHEAR_RETURN_IF_ERROR(fusion_.Prepare(sound.bands()));
  for (auto* per_band : {&ibm_, &product_, &gate_, &mask_}) {
    SEEHEAR_RETURN_IF_ERROR(per_band->Allocate(sound.bands()));
  }
  return sees_ ? PrepareSight(config, graphs) : Status::Ok();
}

Status FacePath::PrepareSight(const SchedulerConfig& config, Vector<Graph>* graphs) {
  const VisualSpec& visual = config.visual;
  const int bands = sound_->bands();
  SEEHEAR_RETURN_IF_ERROR(queue_.Prepare(visual.queue));
  SEEHEAR_RETURN_IF_ERROR(state_.Prepare(visual));
  SEEHEAR_RETURN_IF_ERROR(aligner_.Prepare(visual.masks_per_image, bands));
  SEEHEAR_RETURN_IF_ERROR(CheckVisualRate(config.frame, visual));
  agreement_.Prepare(config.frame.rate / config.frame.hop);
  SEEHEAR_RETURN_IF_ERROR(lip_features_.Prepare(visual.mean, visual.std_dev, visual.clip));
  const NetInput lips = {"lips", lip_values_, LipFeatures::kSize};
  SEEHEAR_RETURN_IF_ERROR(lip_net_.Prepare(config.lips, &lips, 1, graphs));
  const NetInput both[] = {{"features", sound_->features(), bands},
                           {"irm", sound_->irm(), bands},
                           {"ibm", ibm_.data(), bands},
                           {"product", product_.data(), bands},
                           lips};
  SEEHEAR_RETURN_IF_ERROR(gate_net_.Prepare(config.gate, both, 5, graphs));
  Status status;
  lip_masks_ = lip_net_.Output("ibm", visual.masks_per_image * bands, &status);
  SEEHEAR_RETURN_IF_ERROR(status);
  gate_weight_ = gate_net_.Output("gate", bands, &status);
  SEEHEAR_RETURN_IF_ERROR(status);
  gate_mask_ = config.form == FusionForm::kAv ? gate_net_.Output("mask_av", bands, &status) : product_.data();
  return status;
}

void FacePath::Reset() noexcept {
  queue_.Clear();
  state_.Reset();
  lip_features_.Reset();
  lip_net_.Reset();
  gate_net_.Reset();
  aligner_.Reset();
  fusion_.Reset();
  agreement_.Reset();
  std::fill(ibm_.begin(), ibm_.end(), 1.0f);
  std::fill(gate_.begin(), gate_.end(), 0.0f);
  std::fill(mask_.begin(), mask_.end(), 1.0f);
  std::memset(lip_values_, 0, sizeof lip_values_);
}

bool FacePath::Stale(const VisualImage& image) const noexcept {
  return state_.has_image() && image.t <= state_.newest_time();
}

bool FacePath::Overtaken() const noexcept {
  const double t = queue_.Front()->t;
  for (uint32_t i = 1; const VisualImage* later = queue_.At(i); ++i) {
    if (later->t <= t && !Stale(*later)) return true;
  }
  return false;
}

void FacePath::TakeImages(double now, double delay, Counters* counters) noexcept {
  bool taken = false;
  while (const VisualImage* image = queue_.Front()) {
    const bool eligible = image->t <= now - delay + kTimeTolerance;
    // One that waits must not keep back those behind it: after a step of the camera's clock it is the odd
    // one.
    const bool mistimed = Stale(*image) || (!eligible && Overtaken());
    if (!eligible && !mistimed) break;
    if (mistimed) {
      counters->Add(Counter::kImagesMistimed);
    } else {
      if (taken) counters->Add(Counter::kImagesSuperseded);
      const FaceStatus kind = state_.See(*image);
      if (kind == FaceStatus::kNoFace) counters->Add(Counter::kImagesNoFace);
      if (kind == FaceStatus::kFrozen) counters->Add(Counter::kImagesFrozen);
      taken = true;
    }
    queue_.Pop();
  }
}

void FacePath::Look(uint64_t hop, double now, double delay, const Invoke& invoke,
                    Counters* counters) noexcept {
  if (!sees_ || !aligner_.IsTick(hop)) return;
  const bool was_seen = state_.seen();
  TakeImages(now, delay, counters);
  state_.Tick(now, delay);
  if (state_.status() == FaceStatus::kLate) counters->Add(Counter::kLateTicks);
  if (!state_.seen()) {
    if (was_seen) {
      lip_features_.Reset();
      lip_net_.Reset();
      aligner_.Reset();
    }
    return;
  }
  lip_features_.Process(state_.distances(), static_cast<float>(now - state_.distances_time()), lip_values_);
  if (lip_net_.Process(invoke)) {
    counters->Add(Counter::kLipRuns);
    aligner_.Put(lip_masks_);
  } else {
    counters->Add(Counter::kLipFailures);
    aligner_.Reset();
    CloseGate();
  }
}

void FacePath::CloseGate() noexcept {
  fusion_.Close();
  gate_net_.Reset();
}

void FacePath::Fuse(uint64_t hop, const Invoke& invoke, Counters* counters) noexcept {
  const int bands = sound_->bands();
  const float* irm = sound_->irm();
  // While the ramp goes down the last lip mask is held and the gate net keeps listening, so nothing jumps.
  const float* lip_mask = sees_ ? aligner_.At(hop) : nullptr;
  const bool was_open = fusion_.open();
  fusion_.Step(lip_mask != nullptr);
  if (lip_mask == nullptr) agreement_.Reset();
  if (fusion_.open() && sound_->ok()) {
    if (lip_mask != nullptr) std::memcpy(ibm_.data(), lip_mask, bands * sizeof(float));
    for (int b = 0; b < bands; ++b) product_[b] = ibm_[b] * irm[b];
    if (gate_net_.Process(invoke)) {
      counters->Add(Counter::kGateRuns);
      for (int b = 0; b < bands; ++b) gate_[b] = Clamp(gate_weight_[b], 0.0f, 1.0f);
      fusion_.Fuse(irm, gate_mask_, gate_.data(), mask_.data());
      if (lip_mask != nullptr) agreement_.Hear(ibm_.data(), mask_.data(), bands);
      return;
    }
    counters->Add(Counter::kGateFailures);
    CloseGate();
  } else if (was_open && !fusion_.open()) {
    gate_net_.Reset();
  }
  std::memcpy(mask_.data(), irm, bands * sizeof(float));
  std::fill(ibm_.begin(), ibm_.end(), 1.0f);
  std::fill(gate_.begin(), gate_.end(), 0.0f);
}

void FacePath::Yield(const FacePath& other) noexcept {
  const float weight = ramp() * other.ramp();
  for (int b = 0; b < mask_.size(); ++b) mask_[b] *= 1.0f - weight * other.ibm_[b] * (1.0f - ibm_[b]);
}

}  // namespace seehear
