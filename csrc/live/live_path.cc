#include "live/live_path.h"

namespace seehear {
Status LivePath::Prepare(int rate_in, int hop, int rate_out, bool paced) {
  if (hop < 1 || hop > rate_in / 10)
    return Status::Error("hop: expected 1 to %d samples, got %d", rate_in / 10, hop);
  rate_in_ = rate_in;
  rate_out_ = rate_out;
  hop_ = hop;
  SEEHEAR_RETURN_IF_ERROR(playback_.Prepare(rate_in, hop, rate_out, paced));
  SEEHEAR_RETURN_IF_ERROR(capture_.Prepare(static_cast<int>(kRing * rate_in)));
  for (AudioRing* ring : {&tap_before_, &tap_after_})
    SEEHEAR_RETURN_IF_ERROR(ring->Prepare(static_cast<int>(kTapRing * rate_in)));
  SEEHEAR_RETURN_IF_ERROR(in_.Allocate(hop));
  prompt_.Prepare(rate_in);
  return Status::Ok();
}

void LivePath::End() noexcept {
  ended_.store(true, std::memory_order_release);
  heard_.Wake();
  given_.Wake();
}

void LivePath::Stop() noexcept {
  stopped_.store(true, std::memory_order_release);
  heard_.Wake();
  given_.Wake();
}

bool LivePath::Wait() noexcept {
  for (;;) {
    if (stopped()) return false;
    const bool ended = ended_.load(std::memory_order_acquire);  // before the look, for what came last
    if (Ready()) return true;
    if (ended) {
      Stop();
      return false;
    }
    heard_.Sleep();
  }
}

bool LivePath::WaitTake() noexcept {
  for (;;) {
    const bool stopped = this->stopped();
    if (playback_.Fill() > 0) return true;
    if (stopped) return false;
    given_.Sleep();
  }
}

const float* LivePath::Next() noexcept {
  capture_.Next(in_.data(), hop_);
  return in_.data();
}

void LivePath::Give(float* hop, double now) noexcept {
  if (listening_.load(std::memory_order_relaxed)) {
    const bool room = tap_after_.capacity() - tap_after_.Fill() >= hop_ &&
                      tap_before_.capacity() - tap_before_.Fill() >= hop_;
    if (room) {
      // before first: whoever reads finds no more of after
      tap_before_.Write(in_.data(), hop_);
      tap_after_.Write(hop, hop_);
    } else {
      untapped_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  prompt_.Mix(hop, hop_);
  playback_.Give(hop, now);
  given_.Wake();
  hops_.fetch_add(1, std::memory_order_relaxed);
}

void LivePath::Timed(double began, double enhanced, double given) noexcept {
  compute_.Add(enhanced - began);
  output_.Add(given - enhanced);
  delay_.Add(given - capture_.came());
  if ((given - began) * rate_in_ > hop_) late_.fetch_add(1, std::memory_order_relaxed);
}

int LivePath::Tap(float* before, float* after, int most) noexcept {
  const int count = tap_after_.Read(after, most);
  tap_before_.Read(before, count);
  return count;
}

}  // namespace seehear
