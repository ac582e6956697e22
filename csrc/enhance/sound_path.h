// What the ear knows of a hop: samples -> spectrum -> band features -> IRM (E2, E3). One for all faces.
#pragma once

#include "base/counters.h"
#include "enhance/fed_net.h"
#include "enhance/scheduler_config.h"
#include "signal/stft_analyzer.h"

namespace seehear {

class SoundPath {
 public:
  Status Prepare(const SchedulerConfig& config, Vector<Graph>* graphs);
  void Reset() noexcept;

  // in: one hop of samples. Spectrum and features of the frame that ends with it.
  void Analyze(const float* in, Counters* counters) noexcept;
  // Features -> IRM. Where the net fails the IRM is 1: better noisy than mute.
  void Listen(const Invoke& invoke, Counters* counters) noexcept;

  int bands() const { return bands_.bands(); }
  bool ok() const { return ok_; }  // whether the net answered this hop
  const float* features() const { return feature_values_.data(); }
  const float* irm() const { return irm_.data(); }
  float* re() { return re_.data(); }  // spec.bins() values; the last track may multiply them in place
  float* im() { return im_.data(); }
  StftFrame* frame() { return &frame_; }
  BandLayout* layout() { return &bands_; }

 private:
  StftFrame frame_;
  StftAnalyzer analyzer_;
  BandLayout bands_;
  FeatureExtractor features_;
  FedNet net_;
  const float* net_irm_ = nullptr;
  bool ok_ = false;
  Vector<float> samples_, re_, im_, power_, feature_values_, irm_;
};

}  // namespace seehear
