// Microphone to loudspeaker, three threads joined by rings: Capture | the enhancement | Playback. What
// enhances a hop is the caller's.
#pragma once

#include <atomic>

#include "base/status.h"
#include "base/vector.h"
#include "live/capture.h"
#include "live/durations.h"
#include "live/playback.h"
#include "live/prompt.h"
#include "live/wakeup.h"

namespace seehear {

class LivePath {
 public:
  // hop: samples at rate_in that are enhanced at a time. paced: see Playback.
  Status Prepare(int rate_in, int hop, int rate_out, bool paced);

  int hop() const { return hop_; }
  int rate_in() const { return rate_in_; }
  int rate_out() const { return rate_out_; }

  // Microphone's thread; Sample is float or int16_t.
  template <typename Sample>
  int Put(const Sample* in, int frames, int channels, double now) noexcept {
    const int put = capture_.Put(in, frames, channels, now);
    if (capture_.Fill() >= hop_) heard_.Wake();
    return put;
  }
  void End() noexcept;  // no more will come: what does not fill a hop is dropped

  // Enhancement's thread. Wait: until a hop is there; false once the path is stopped, or ended and empty.
  bool Wait() noexcept;
  bool Ready() const noexcept { return capture_.Fill() >= hop_; }
  const float* Next() noexcept;                // a hop, valid until the next one; only after Wait or Ready
  void Give(float* hop, double now) noexcept;  // that hop enhanced; a prompt is laid over it
  // When the work on that hop began, when it was enhanced, when Give was done; seconds, on Put's clock.
  void Timed(double began, double enhanced, double given) noexcept;

  // Loudspeaker's thread.
  template <typename Sample>
  int Take(Sample* out, int frames, int channels, double now) noexcept {
    return playback_.Take(out, frames, channels, now);
  }
  // For one that has no clock: until there is something to take, or nothing will come. False then.
  bool WaitTake() noexcept;

  // Any thread.
  void Stop() noexcept;
  bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
  // Copies of what goes in and comes out, for one thread that looks at its leisure: those that find no room
  // are lost, counted, and hold up nobody. Listen(false) at first.
  void Listen(bool on) noexcept { listening_.store(on, std::memory_order_relaxed); }
  int Tap(float* before, float* after, int most) noexcept;
  uint32_t untapped() const noexcept { return untapped_.load(std::memory_order_relaxed); }

  Capture& capture() { return capture_; }
  Playback& playback() { return playback_; }
  Prompt& prompt() { return prompt_; }
  const Durations& compute() const { return compute_; }  // of a hop: enhancement alone
  const Durations& output() const { return output_; }    // prompt, resampler, ring
  const Durations& delay() const { return delay_; }      // from a hop's last sample put to the hop given
  uint32_t hops() const noexcept { return hops_.load(std::memory_order_relaxed); }
  uint32_t late_hops() const noexcept { return late_.load(std::memory_order_relaxed); }  // compute > a hop

 private:
  static constexpr double kRing = 1.0;     // seconds that may wait for the enhancement
  static constexpr double kTapRing = 4.0;  // and for who listens

  int rate_in_ = 16000, rate_out_ = 16000, hop_ = 160;
  Capture capture_;
  Playback playback_;
  Prompt prompt_;
  Vector<float> in_;
  AudioRing tap_before_, tap_after_;
  Wakeup heard_, given_;
  Durations compute_, output_, delay_;
  std::atomic<bool> stopped_{false}, ended_{false}, listening_{false};
  std::atomic<uint32_t> hops_{0}, late_{0}, untapped_{0};
};

}  // namespace seehear
