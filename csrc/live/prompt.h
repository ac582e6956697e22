// A spoken prompt over the sound, which makes room for it (E9): ducked by 12 dB, and back, without a click.
#pragma once

#include <atomic>
#include <cstdint>

namespace seehear {

class Prompt {
 public:
  void Prepare(int rate) noexcept;

  // Any one thread. The samples must stay where they are until `speaking` is false. False: one is being
  // spoken.
  bool Say(const float* samples, int count) noexcept;
  void Hush() noexcept { hush_.store(true, std::memory_order_release); }
  bool speaking() const noexcept { return samples_.load(std::memory_order_acquire) != nullptr; }

  void Mix(float* sound, int count) noexcept;  // enhancement's thread, in place

 private:
  static constexpr float kDucked = 0.25f;  // gain of the sound beneath
  static constexpr double kFade = 0.05;    // seconds, for all ramps

  float step_ = 1;
  float gain_ = 1;   // of the sound
  float level_ = 0;  // of the prompt: falls where it is hushed
  int at_ = 0;
  int count_ = 0;
  std::atomic<const float*> samples_{nullptr};
  std::atomic<bool> hush_{false};
};

}  // namespace seehear
