#include "live/prompt.h"

#include <algorithm>

namespace seehear {

void Prompt::Prepare(int rate) noexcept {
  step_ = static_cast<float>(1 / (kFade * rate));
  gain_ = 1;
  samples_.store(nullptr);
}

bool Prompt::Say(const float* samples, int count) noexcept {
  if (speaking() || count < 1) return false;
  at_ = 0;
  level_ = 1;
  count_ = count;
  hush_.store(false, std::memory_order_relaxed);
  samples_.store(samples, std::memory_order_release);
  return true;
}

void Prompt::Mix(float* sound, int count) noexcept {
  const float* prompt = samples_.load(std::memory_order_acquire);
  if (prompt == nullptr && gain_ >= 1) return;
  const bool hush = hush_.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    // the sound goes down first, and comes up when the last word is spoken
    const float wanted = prompt == nullptr ? 1 : kDucked;
    gain_ += std::clamp(wanted - gain_, -step_, step_);
    sound[i] *= gain_;
    if (prompt == nullptr || gain_ > kDucked) continue;
    if (hush) level_ = std::max(0.0f, level_ - step_);
    sound[i] += level_ * prompt[at_];
    if (++at_ == count_ || level_ == 0) {
      prompt = nullptr;
      samples_.store(nullptr, std::memory_order_release);
    }
  }
}

}  // namespace seehear
