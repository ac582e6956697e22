#include "live/playback.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "signal/sample_convert.h"

namespace seehear {

Status Playback::Prepare(int rate_in, int hop, int rate_out, bool paced) {
  hop_ = hop;
  rate_out_ = rate_out;
  hop_out_ = static_cast<int>(static_cast<long long>(hop) * rate_out / rate_in);
  paced_ = paced;
  // where one clock rules both, equal rates need no filter
  resamples_ = paced || rate_in != rate_out;
  SEEHEAR_RETURN_IF_ERROR(resampler_.Prepare(rate_in, rate_out));
  SEEHEAR_RETURN_IF_ERROR(chunk_.Allocate(std::max(kChunk, resampler_.most())));
  SEEHEAR_RETURN_IF_ERROR(ring_.Prepare(std::max(static_cast<int>(kRing * rate_out), 4 * hop_out_)));
  drift_.Reset();
  lump_.store(static_cast<double>(hop) / rate_in);
  given_at_.store(-1e9);
  step_ = static_cast<float>(1 / (kFade * rate_out));
  decay_ = static_cast<float>(std::exp(-5 / (kFade * rate_out)));
  margin_.store(kMargin);
  ppm_.store(0);
  for (std::atomic<uint32_t>* count : {&underruns_, &starved_, &overruns_, &cuts_}) count->store(0);
  taken_at_.store(-1e9);
  playing_.store(false);
  // without a clock there is nothing to wait for
  began_ = !paced;
  gain_ = paced ? 0.0f : 1.0f;
  last_ = tail_ = 0;
  return Status::Ok();
}

double Playback::delay() const noexcept {
  return (static_cast<double>(ring_.Fill()) + (resamples_ ? resampler_.delay() : 0)) / rate_out_;
}

void Playback::Write(const float* samples, int count) noexcept {
  if (ring_.Write(samples, count) < count) overruns_.fetch_add(1, std::memory_order_relaxed);
}

void Playback::Give(const float* hop, double now) noexcept {
  if (paced_) {
    const double since = now - taken_at_.load(std::memory_order_relaxed);
    if (since > kGone) return;
    const double gap = now - given_at_.load(std::memory_order_relaxed);
    const bool first = 2 * gap * rate_out_ > hop_out_;
    // where a microphone gives several hops at once, it is the first that finds least in the ring
    if (first) {
      // after a pause the gap tells nothing
      const double lump = std::max(gap < kMostLump ? gap : 0, 0.99 * lump_.load(std::memory_order_relaxed));
      lump_.store(lump, std::memory_order_relaxed);
      given_at_.store(now, std::memory_order_relaxed);
    }
    if (first && playing_.load(std::memory_order_acquire)) {
      // What the loudspeaker has played of its last block since it took it has left the ring, if it were
      // asked sample by sample: so the size of its blocks, and where they fall between the hops, is not seen.
      const double fill = ring_.Fill() - since * rate_out_;
      const double ppm = drift_.Update(fill / rate_out_ - margin(), std::min(gap, kMostLump));
      ppm_.store(static_cast<float>(ppm), std::memory_order_relaxed);
      resampler_.SetPpm(ppm);
      if (drift_.mean() > kMostExcess) {
        cut_.store(true, std::memory_order_release);
        drift_.Forget();
      }
    }
  }
  if (!resamples_) {
    Write(hop, hop_);
    return;
  }
  int count = 0;
  for (int i = 0; i < hop_; ++i) {
    resampler_.Push(hop[i]);
    while (resampler_.Due()) chunk_[count++] = resampler_.Pull();
    if (count + resampler_.most() > chunk_.size()) {
      Write(chunk_.data(), count);
      count = 0;
    }
  }
  Write(chunk_.data(), count);
}

bool Playback::Begin(int frames, double now) noexcept {
  if (!paced_) return true;
  // besides this block what the loudspeaker plays until the next hops come, and what jitter takes
  const double until =
      lump_.load(std::memory_order_relaxed) - (now - given_at_.load(std::memory_order_relaxed));
  const int ahead = frames + static_cast<int>((std::max(0.0, until) + margin()) * rate_out_);
  const int fill = ring_.Fill();
  if (fill < ahead) return false;
  ring_.Drop(fill - ahead);
  return true;
}

int Playback::TakeMono(float* out, int frames) noexcept {
  const int count = began_ ? ring_.Read(out, frames) : 0;
  // what was before fades away beneath what comes in
  for (int i = 0; i < count && gain_ < 1; ++i) {
    gain_ = std::min(1.0f, gain_ + step_);
    out[i] = out[i] * gain_ + (tail_ *= decay_);
  }
  if (count > 0) last_ = out[count - 1];
  for (int i = count; i < frames; ++i) out[i] = last_ *= decay_;
  if (paced_ && began_ && count < frames) {
    began_ = false;
    const bool ours = expecting_.load(std::memory_order_relaxed);
    (ours ? underruns_ : starved_).fetch_add(1, std::memory_order_relaxed);
    if (ours) margin_.store(std::min(margin_.load() + kMore, kMostMargin), std::memory_order_relaxed);
  }
  return count;
}

template <typename Sample>
int Playback::TakeAny(Sample* out, int frames, int channels, double now) noexcept {
  float chunk[kChunk];
  int sound = 0;
  const bool cut = began_ && cut_.exchange(false, std::memory_order_acquire);
  if (cut) cuts_.fetch_add(1, std::memory_order_relaxed);
  if (paced_ && (cut || !began_)) {
    began_ = Begin(frames, now);
    gain_ = 0;
    tail_ = last_;
  }
  for (int at = 0; at < frames;) {
    const int count = std::min(frames - at, kChunk);
    sound += TakeMono(chunk, count);
    for (int i = 0; i < count; ++i) {
      Sample sample;
      if constexpr (std::is_same_v<Sample, int16_t>)
        SampleConvert::ToInt16(chunk + i, 1, &sample);
      else
        sample = chunk[i];
      for (int c = 0; c < channels; ++c) *out++ = sample;
    }
    at += count;
  }
  taken_at_.store(now, std::memory_order_relaxed);
  playing_.store(began_, std::memory_order_release);
  return sound;
}

int Playback::Take(float* out, int frames, int channels, double now) noexcept {
  return TakeAny(out, frames, channels, now);
}

int Playback::Take(int16_t* out, int frames, int channels, double now) noexcept {
  return TakeAny(out, frames, channels, now);
}

}  // namespace seehear
