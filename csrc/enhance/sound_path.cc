#include "enhance/sound_path.h"

#include <algorithm>

#include "base/fast_math.h"
#include "signal/sample_convert.h"

namespace seehear {

Status SoundPath::Prepare(const SchedulerConfig& config, Vector<Graph>* graphs) {
  SEEHEAR_RETURN_IF_ERROR(frame_.Prepare(config.frame));
  SEEHEAR_RETURN_IF_ERROR(analyzer_.Prepare(&frame_));
  SEEHEAR_RETURN_IF_ERROR(bands_.Prepare(config.edges, config.frame.bins(), frame_.window.analysis_energy()));
  SEEHEAR_RETURN_IF_ERROR(features_.Prepare(config.features, bands()));
  SEEHEAR_RETURN_IF_ERROR(samples_.Allocate(config.frame.hop));
  for (auto* per_bin : {&re_, &im_}) SEEHEAR_RETURN_IF_ERROR(per_bin->Allocate(config.frame.bins()));
  for (auto* per_band : {&power_, &feature_values_, &irm_}) {
    SEEHEAR_RETURN_IF_ERROR(per_band->Allocate(bands()));
  }
  const NetInput heard[] = {{"features", features(), bands()}};
  SEEHEAR_RETURN_IF_ERROR(net_.Prepare(config.audio, heard, 1, graphs));
  Status status;
  net_irm_ = net_.Output("irm", bands(), &status);
  return status;
}

void SoundPath::Reset() noexcept {
  analyzer_.Reset();
  features_.Reset();
  net_.Reset();
  std::fill(irm_.begin(), irm_.end(), 1.0f);
}

void SoundPath::Analyze(const float* in, Counters* counters) noexcept {
  const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in, samples_.size(), samples_.data());
  if (repairs.nonfinite) counters->Add(Counter::kNonfiniteSamples, repairs.nonfinite);
  if (repairs.clamped) counters->Add(Counter::kClampedSamples, repairs.clamped);
  analyzer_.Process(samples_.data(), re_.data(), im_.data());
  bands_.Power(re_.data(), im_.data(), power_.data());
  features_.Process(power_.data(), feature_values_.data());
}

void SoundPath::Listen(const Invoke& invoke, Counters* counters) noexcept {
  ok_ = net_.Process(invoke);
  if (ok_) {
    for (int b = 0; b < bands(); ++b) irm_[b] = Clamp(net_irm_[b], 0.0f, 1.0f);
  } else {
    counters->Add(Counter::kAudioFailures);
    std::fill(irm_.begin(), irm_.end(), 1.0f);
  }
}

}  // namespace seehear
