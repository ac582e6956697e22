// One hop of the whole signal path, start to end. Python, the C API and firmware share it; only the function
// that runs a graph differs. Equations and timing: docs/architecture.md.
#pragma once

#include <atomic>

#include "base/counters.h"
#include "enhance/face_path.h"
#include "enhance/hop_clock.h"
#include "enhance/scheduler_config.h"
#include "enhance/sound_path.h"
#include "enhance/track.h"

namespace seehear {

class HopScheduler {
 public:
  static constexpr int kMaxFaces = 8;
  static constexpr float kMinFloorDb = -80.0f, kMaxVisualDelayMs = 500.0f;

  Status Prepare(const SchedulerConfig& config);

  // Real-time part: no allocation, no lock, no exception. One thread calls Process, Flush and Reset.
  // hop() samples each, may be the same buffer. out is the joint track of the selected faces. With rows, one
  // more hop is written for each face: the sound of its talker, in which the others count as noise.
  void Process(const float* in, float* out, float* const* rows = nullptr) noexcept;
  void Flush(float* out) noexcept;  // the last latency() samples
  void Reset() noexcept;            // all state, counters and waiting images; settings stay

  // Hands in an image of a face, from one other thread at a time for each face. landmarks: 50 pairs, or
  // nullptr for no face; t: seconds on the sample clock. False if it was refused (and counted): queue full, t
  // not finite or further than kReach from now(), or no such face.
  bool See(const float* landmarks, double t, int face = 0) noexcept;
  // Seconds. An older image is of no use at any visual delay; one from further ahead has another clock.
  static constexpr double kReach = 1.0;

  void set_invoke(const Invoke& invoke) { invoke_ = invoke; }

  int latency() const { return frame_.shift(); }  // samples
  int hop() const { return frame_.hop; }
  int rate() const { return frame_.rate; }
  int bands() const { return sound_.bands(); }
  bool has_vision() const { return has_vision_; }
  int faces() const { return faces_.size(); }
  double now() const noexcept;  // seconds processed since reset; any thread

  // Settings; any thread. False if out of range.
  bool set_strength(float strength) noexcept;         // 0..1
  bool set_floor_db(float floor_db) noexcept;         // -80..0
  bool set_visual_delay_ms(float delay_ms) noexcept;  // 0..500
  bool set_selected(uint32_t faces) noexcept;         // bit k: face k belongs to the joint track; not 0
  float strength() const noexcept { return strength_.load(std::memory_order_relaxed); }
  float floor_db() const noexcept { return floor_db_.load(std::memory_order_relaxed); }
  float visual_delay_ms() const noexcept { return delay_ms_.load(std::memory_order_relaxed); }
  uint32_t selected() const noexcept { return selected_.load(std::memory_order_relaxed); }

  // Of the last hop, bands() values each.
  const float* irm() const { return sound_.irm(); }
  const float* mask() const { return joint_.empty() ? faces_[0].mask() : joint_.data(); }  // of out
  const FacePath& face(int face = 0) const { return faces_[face]; }
  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

  Vector<Graph>& graphs() { return graphs_; }
  const Vector<Graph>& graphs() const { return graphs_; }

 private:
  void Join() noexcept;  // masks of the selected faces -> mask of the joint track
  void RenderRows(float floor_gain, float* const* rows) noexcept;

  FrameSpec frame_;
  bool has_vision_ = false;
  Invoke invoke_;
  Vector<Graph> graphs_;
  SoundPath sound_;
  Vector<FacePath> faces_;
  Track track_;
  // With several faces only:
  Vector<float> joint_;
  Vector<Track> rows_;
  Vector<float> re_, im_, row_;  // scratch of a row
  Counters counters_;
  HopClock clock_;

  std::atomic<float> strength_{1.0f};
  std::atomic<float> floor_db_{-20.0f};
  std::atomic<float> floor_gain_{0.1f};
  std::atomic<float> delay_ms_{80.0f};
  std::atomic<uint32_t> selected_{1};
};

}  // namespace seehear
