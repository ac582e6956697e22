// From the enhancement's thread to a loudspeaker's: at the loudspeaker's rate, and on its clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "live/audio_ring.h"
#include "live/drift_controller.h"
#include "live/drift_resampler.h"

namespace seehear {

class Playback {
 public:
  // rate_in, hop: of Give. paced: the loudspeaker has a clock of its own; else it takes what there is as it
  // comes.
  Status Prepare(int rate_in, int hop, int rate_out, bool paced);

  // Enhancement's thread. now: as for Capture::Put.
  void Give(const float* hop, double now) noexcept;

  // Loudspeaker's thread. Fills all of out, every channel alike; returns how many frames are sound, the rest
  // is silence. Sound begins when enough is there to go on with, and no gap in it clicks.
  int Take(float* out, int frames, int channels, double now) noexcept;
  int Take(int16_t* out, int frames, int channels, double now) noexcept;

  // Whether more sound is to be expected: an underrun while there is none is nobody's fault.
  void Expect(bool sound) noexcept { expecting_.store(sound, std::memory_order_relaxed); }

  int Fill() const noexcept { return ring_.Fill(); }  // frames that wait
  double delay() const noexcept;  // seconds that Give's last sample waits, the filter included
  double drift_ppm() const noexcept {
    return ppm_.load(std::memory_order_relaxed);
  }  // the loudspeaker is fast
  double margin() const noexcept { return margin_.load(std::memory_order_relaxed); }  // seconds
  uint32_t underruns() const noexcept { return underruns_.load(std::memory_order_relaxed); }
  uint32_t starved() const noexcept {
    return starved_.load(std::memory_order_relaxed);
  }  // nothing was expected
  uint32_t cuts() const noexcept { return cuts_.load(std::memory_order_relaxed); }  // too much waited
  uint32_t overruns() const noexcept { return overruns_.load(std::memory_order_relaxed); }

 private:
  static constexpr double kRing = 0.5;      // seconds
  static constexpr float kMargin = 0.005f;  // seconds kept against jitter; every underrun adds kMore
  static constexpr float kMore = 0.0025f;
  static constexpr float kMostMargin = 0.06f;
  static constexpr double kGone = 0.25;        // seconds without Take: nobody listens
  static constexpr double kMostExcess = 0.05;  // seconds: more is cut out, not played slowly away
  static constexpr double kMostLump = 0.04;    // seconds
  static constexpr double kFade = 0.005;       // seconds
  static constexpr int kChunk = 256;

  void Write(const float* samples, int count) noexcept;
  bool Begin(int frames, double now) noexcept;
  template <typename Sample>
  int TakeAny(Sample* out, int frames, int channels, double now) noexcept;
  int TakeMono(float* out, int frames) noexcept;

  int rate_out_ = 16000, hop_ = 160, hop_out_ = 160;
  bool paced_ = true, resamples_ = false;
  AudioRing ring_;
  DriftResampler resampler_;
  DriftController drift_;
  Vector<float> chunk_;

  std::atomic<double> taken_at_{-1e9}, given_at_{-1e9};
  std::atomic<double> lump_{0.01};  // seconds from one Give that finds least to the next
  std::atomic<bool> playing_{false}, expecting_{true}, cut_{false};
  std::atomic<float> margin_{kMargin};
  std::atomic<float> ppm_{0};
  std::atomic<uint32_t> underruns_{0}, starved_{0}, overruns_{0}, cuts_{0};
  // loudspeaker's thread
  bool began_ = false;
  float gain_ = 0, step_ = 1, last_ = 0, tail_ = 0, decay_ = 0;
};

}  // namespace seehear
