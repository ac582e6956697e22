#include "live/capture.h"

#include <algorithm>
#include <type_traits>

namespace seehear {

Status Capture::Prepare(int samples) {
  stamped_.store(0);
  looked_at_.store(0);
  overruns_.store(0);
  lost_.store(0);
  came_ = 0;
  return ring_.Prepare(samples);
}

int Capture::Put(const float* in, int frames, int channels, double now) noexcept {
  return PutAny(in, frames, channels, now);
}

int Capture::Put(const int16_t* in, int frames, int channels, double now) noexcept {
  return PutAny(in, frames, channels, now);
}

template <typename Sample>
int Capture::PutAny(const Sample* in, int frames, int channels, double now) noexcept {
  constexpr float kFull = std::is_same_v<Sample, int16_t> ? 32768.0f : 1.0f;
  const float scale = 1.0f / (kFull * static_cast<float>(channels));
  float chunk[kChunk];
  int put = 0;
  while (put < frames) {
    const int count = std::min(frames - put, kChunk);
    for (int i = 0; i < count; ++i) {
      float sum = 0;
      for (int c = 0; c < channels; ++c) sum += static_cast<float>(*in++);
      chunk[i] = sum * scale;
    }
    const int taken = ring_.Write(chunk, count);
    put += taken;
    if (taken < count) break;
  }
  if (put < frames) {
    overruns_.fetch_add(1, std::memory_order_relaxed);
    lost_.fetch_add(static_cast<uint32_t>(frames - put), std::memory_order_relaxed);
  }
  const uint32_t at = stamped_.load(std::memory_order_relaxed);
  if (put > 0 && at - looked_at_.load(std::memory_order_acquire) < kStamps) {
    stamps_[at % kStamps] = {ring_.written(), now};
    stamped_.store(at + 1, std::memory_order_release);
  }
  return put;
}

bool Capture::Next(float* out, int count) noexcept {
  if (ring_.Fill() < count) return false;
  ring_.Read(out, count);
  const uint32_t end = ring_.read();
  uint32_t at = looked_at_.load(std::memory_order_relaxed);
  const uint32_t stamped = stamped_.load(std::memory_order_acquire);
  while (at != stamped) {
    const Stamp& stamp = stamps_[at % kStamps];
    came_ = stamp.t;
    if (static_cast<int32_t>(stamp.end - end) >= 0) break;  // the block that holds our last sample, to stay
    ++at;
  }
  looked_at_.store(at, std::memory_order_release);
  return true;
}

}  // namespace seehear
