#include "live/audio_ring.h"

#include <algorithm>

namespace seehear {

Status AudioRing::Prepare(int samples) {
  if (samples < 1 || samples > 1 << 24)
    return Status::Error("a ring holds 1 to %d samples, got %d", 1 << 24, samples);
  int capacity = 1;
  while (capacity < samples) capacity *= 2;
  written_.store(0);
  read_.store(0);
  return samples_.Allocate(capacity);
}

int AudioRing::Write(const float* in, int count) noexcept {
  const uint32_t at = written_.load(std::memory_order_relaxed);
  const int room = capacity() - static_cast<int>(at - read_.load(std::memory_order_acquire));
  count = std::min(count, room);
  const int place = static_cast<int>(at & static_cast<uint32_t>(capacity() - 1));
  const int first = std::min(count, capacity() - place);
  std::copy(in, in + first, samples_.data() + place);
  std::copy(in + first, in + count, samples_.data());
  written_.store(at + static_cast<uint32_t>(count), std::memory_order_release);
  return count;
}

int AudioRing::Fill() const noexcept {
  // the reader's place first: as the writer sees it, this is then no less than what is there
  const uint32_t from = read_.load(std::memory_order_acquire);
  return static_cast<int>(written_.load(std::memory_order_acquire) - from);
}

int AudioRing::Read(float* out, int count) noexcept {
  const uint32_t at = read_.load(std::memory_order_relaxed);
  count = std::min(count, static_cast<int>(written_.load(std::memory_order_acquire) - at));
  const int place = static_cast<int>(at & static_cast<uint32_t>(capacity() - 1));
  const int first = std::min(count, capacity() - place);
  std::copy(samples_.data() + place, samples_.data() + place + first, out);
  std::copy(samples_.data(), samples_.data() + (count - first), out + first);
  read_.store(at + static_cast<uint32_t>(count), std::memory_order_release);
  return count;
}

int AudioRing::Drop(int count) noexcept {
  count = std::min(count, Fill());
  read_.store(read_.load(std::memory_order_relaxed) + static_cast<uint32_t>(count),
              std::memory_order_release);
  return count;
}

}  // namespace seehear
