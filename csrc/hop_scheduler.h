// One hop of the whole signal path, start to end. Python, the C API and firmware share it; only the function
// that runs a graph differs. Equations and timing: docs/architecture.md.
#pragma once

#include <atomic>

#include "band_layout.h"
#include "counters.h"
#include "face_state.h"
#include "feature_extractor.h"
#include "frame_spec.h"
#include "graph.h"
#include "hop_clock.h"
#include "lip_features.h"
#include "mask_aligner.h"
#include "mask_fusion.h"
#include "recurrent_net.h"
#include "stft_analyzer.h"
#include "stft_synthesizer.h"
#include "visual_queue.h"

namespace seehear {

struct SchedulerConfig {
  FrameSpec frame;
  Vector<int> edges;
  FeatureSpec features;
  NetSpec audio;
  // The rest matters to a model with eyes only.
  bool has_vision = false;
  VisualSpec visual;
  FusionForm form = FusionForm::kAv;
  NetSpec lips;
  NetSpec gate;
  float floor_db = -20.0f;
  Vector<GraphSpec> graphs;
};

class HopScheduler {
 public:
  Status Prepare(const SchedulerConfig& config);

  // Real-time part: no allocation, no lock, no exception. One thread calls Process, Flush and Reset.
  void Process(const float* in, float* out) noexcept;  // hop() samples each; may be the same buffer
  void Flush(float* out) noexcept;                     // the last latency() samples
  void Reset() noexcept;  // all state, counters and waiting images; settings stay

  // Hands in an image from one other thread at a time. landmarks: 50 pairs, or nullptr for no face; t:
  // seconds on the sample clock. False if it was refused (and counted): queue full, or t not finite or
  // further than kReach from now().
  bool See(const float* landmarks, double t) noexcept;
  // Seconds. An older image is of no use at any visual delay; one from further ahead has another clock.
  static constexpr double kReach = 1.0;

  void set_invoke(const Invoke& invoke) { invoke_ = invoke; }

  int latency() const { return frame_.shift(); }  // samples
  int hop() const { return frame_.hop; }
  int rate() const { return frame_.rate; }
  int bands() const { return bands_.bands(); }
  bool has_vision() const { return has_vision_; }
  double now() const noexcept;  // seconds processed since reset; any thread

  // Settings; any thread. False if out of range.
  bool set_strength(float strength) noexcept;         // 0..1
  bool set_floor_db(float floor_db) noexcept;         // -80..0
  bool set_visual_delay_ms(float delay_ms) noexcept;  // 0..500
  float strength() const noexcept { return strength_.load(std::memory_order_relaxed); }
  float floor_db() const noexcept { return floor_db_.load(std::memory_order_relaxed); }
  float visual_delay_ms() const noexcept { return delay_ms_.load(std::memory_order_relaxed); }

  // Of the last hop, bands() values each.
  const float* irm() const { return irm_.data(); }
  const float* ibm() const { return ibm_.data(); }    // 1 while the gate is closed
  const float* gate() const { return gate_.data(); }  // ramp included; 0 while closed
  const float* mask() const { return mask_.data(); }  // fused, before floor and strength
  const FaceState& face() const { return face_; }
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

  Vector<Graph>& graphs() { return graphs_; }
  const Vector<Graph>& graphs() const { return graphs_; }

 private:
  struct Source {
    const float* values = nullptr;
    int size = 0;
    int offset = 0;
  };

  Status PrepareNet(const NetSpec& spec, const char* allowed, RecurrentNet* net, Vector<Source>* sources);
  Status PrepareVision(const SchedulerConfig& config);
  static bool Run(RecurrentNet* net, const Vector<Source>& sources, const Invoke& invoke) noexcept;

  void Listen() noexcept;  // features -> IRM
  void Look() noexcept;    // at a visual tick: images -> face state -> lip masks
  void TakeImages(double now, double delay) noexcept;
  bool Stale(const VisualImage& image) const noexcept;  // not newer than the last one taken
  bool Overtaken() const noexcept;  // a later image has a time before that of the one at the front
  void Fuse() noexcept;             // IRM and lip masks -> mask
  void CloseGate() noexcept;

  FrameSpec frame_;
  bool has_vision_ = false;
  FusionForm form_ = FusionForm::kAv;
  Invoke invoke_;

  StftFrame stft_;
  StftAnalyzer analyzer_;
  StftSynthesizer synthesizer_;
  BandLayout bands_;
  FeatureExtractor features_;
  Vector<Graph> graphs_;
  RecurrentNet audio_net_, lip_net_, gate_net_;
  Vector<Source> audio_sources_, lip_sources_, gate_sources_;
  const float* audio_irm_ = nullptr;
  const float* lip_masks_ = nullptr;
  const float* gate_weight_ = nullptr;
  const float* gate_mask_ = nullptr;
  VisualQueue queue_;
  FaceState face_;
  LipFeatures lip_features_;
  MaskAligner aligner_;
  MaskFusion fusion_;
  Counters counters_;

  std::atomic<float> strength_{1.0f};
  std::atomic<float> floor_db_{-20.0f};
  std::atomic<float> floor_gain_{0.1f};
  std::atomic<float> delay_ms_{80.0f};

  HopClock clock_;
  bool audio_ok_ = false;
  Vector<float> samples_, re_, im_;
  Vector<float> power_, feature_values_, irm_, ibm_, product_, gate_, mask_, gain_;
  float lip_values_[LipFeatures::kSize] = {};
};

}  // namespace seehear
