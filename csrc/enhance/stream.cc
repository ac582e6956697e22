#include "enhance/stream.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/denormals.h"
#include "signal/sample_convert.h"

namespace seehear {
namespace {

constexpr int kChunk = 64;          // samples converted at a time, where no hop decides
constexpr int kFadesASecond = 100;  // 10 ms each

int CountTracks(const HopScheduler& scheduler) { return scheduler.faces() > 1 ? 1 + scheduler.faces() : 1; }

// No less than latency() of any stream at this rate: each resampler takes 2 ms at most, and a sample where
// the delay is rounded up.
int MostLatency(const HopScheduler& scheduler, int rate) {
  const int core = scheduler.latency() + scheduler.hop() - 1;
  if (rate == scheduler.rate()) return core;
  return static_cast<int>(static_cast<long long>(core) * rate / scheduler.rate()) + rate / 250 + 3;
}

}  // namespace

void Stream::ProcessHop(void* stream, const float* in, float* out) {
  HopScheduler& scheduler = *static_cast<Stream*>(stream)->scheduler_;
  float* rows[HopScheduler::kMaxFaces];
  for (int k = 0; k < scheduler.faces(); ++k) rows[k] = out + (k + 1) * scheduler.hop();
  scheduler.Process(in, out, scheduler.faces() > 1 ? rows : nullptr);
}

Status Stream::PrepareBlock(int block) {
  const int core_rate = scheduler_->rate();
  const long long scaled = static_cast<long long>(scheduler_->hop()) * rate_;
  if (block != 0 && scaled % core_rate != 0) {
    return Status::Error("block: a hop is %g samples at %d Hz, not a whole number; leave block out",
                         static_cast<double>(scaled) / core_rate, rate_);
  }
  const int hop = static_cast<int>(scaled / core_rate);
  if (block != 0 && (block < 0 || block % hop != 0)) {
    return Status::Error("block must be a multiple of the hop, %d samples at %d Hz, got %d", hop, rate_,
                         block);
  }
  block_ = block;
  const int chunk = block == 0 ? kChunk : hop;
  SEEHEAR_RETURN_IF_ERROR(chunk_.Allocate(chunk));
  SEEHEAR_RETURN_IF_ERROR(tracks_.Allocate(chunk * count_));
  return hop_.Allocate(block == 0 || !resamples_ ? 0 : scheduler_->hop() * (1 + count_));
}

Status Stream::Prepare(HopScheduler* scheduler, int rate, int block) {
  const int core_rate = scheduler->rate();
  scheduler_ = scheduler;
  rate_ = rate;
  count_ = CountTracks(*scheduler);
  SEEHEAR_RETURN_IF_ERROR(adapter_.Prepare(scheduler->hop(), ProcessHop, this, count_));
  latency_ = scheduler->latency() + (block == 0 ? adapter_.latency() : 0);
  resamples_ = rate != core_rate;
  if (resamples_) {
    SEEHEAR_RETURN_IF_ERROR(up_.Allocate(count_));
    for (Resampler& up : up_) SEEHEAR_RETURN_IF_ERROR(up.Prepare(core_rate, rate));
    const double inner = (latency_ + up_[0].delay()) * rate / core_rate;
    // Delay the way in by the fraction of a sample that makes the whole chain late by whole samples.
    const double extra = std::ceil(inner - 1e-9) - inner;
    SEEHEAR_RETURN_IF_ERROR(down_.Prepare(rate, core_rate, extra > 0 ? extra : 0));
    latency_ = static_cast<int>(std::lround(down_.delay() + inner));
  }
  SEEHEAR_RETURN_IF_ERROR(PrepareBlock(block));
  SEEHEAR_RETURN_IF_ERROR(dry_.Allocate(MostLatency(*scheduler, rate)));
  fade_ = rate / kFadesASecond;
  Reset();
  return Status::Ok();
}

size_t Stream::Memory(const HopScheduler& scheduler, int rate) {
  const int tracks = CountTracks(scheduler);
  const size_t own = Vector<float>::Memory(kChunk) + Vector<float>::Memory(kChunk * tracks) +
                     Vector<float>::Memory(MostLatency(scheduler, rate)) +
                     BlockAdapter::Memory(scheduler.hop(), tracks);
  if (rate == scheduler.rate()) return own;
  const size_t down = Resampler::Memory(rate, scheduler.rate()),
               up = Resampler::Memory(scheduler.rate(), rate);
  return down == 0 || up == 0 ? 0 : own + down + tracks * up + Vector<Resampler>::Memory(tracks);
}

void Stream::Reset() noexcept {
  scheduler_->Reset();
  adapter_.Reset();
  if (resamples_) {
    down_.Reset();
    for (Resampler& up : up_) up.Reset();
  }
  std::fill(dry_.begin(), dry_.end(), 0.0f);
  dry_at_ = 0;
  dryness_ = -1;
}

void Stream::Step(int sample) noexcept {
  const float x = chunk_[sample];
  if (!resamples_) {
    adapter_.Process(x);
    for (int k = 0; k < count_; ++k) Track(k)[sample] = adapter_.At(k);
    return;
  }
  down_.Push(x);
  while (down_.Due()) {
    adapter_.Process(down_.Pull());
    for (int k = 0; k < count_; ++k) up_[k].Push(adapter_.At(k));
  }
  for (int k = 0; k < count_; ++k) Track(k)[sample] = up_[k].Pull();
}

void Stream::RunHop() noexcept {
  if (!resamples_) {
    ProcessHop(this, chunk_.data(), tracks_.data());
    return;
  }
  float* sample = hop_.data();
  for (float x : chunk_) {
    down_.Push(x);
    while (down_.Due()) *sample++ = down_.Pull();
  }
  const int hop = scheduler_->hop();
  ProcessHop(this, hop_.data(), hop_.data() + hop);
  sample = tracks_.data();
  for (int k = 0; k < count_; ++k) {
    for (int i = 0; i < hop; ++i) {
      up_[k].Push(hop_[(k + 1) * hop + i]);
      while (up_[k].Due()) *sample++ = up_[k].Pull();
    }
  }
}

void Stream::Run(int count) noexcept {
  if (block_ != 0) {
    RunHop();
  } else {
    for (int i = 0; i < count; ++i) Step(i);
  }
  const int wanted = scheduler_->strength() == 0.0f ? fade_ : 0;
  if (dryness_ < 0) dryness_ = wanted;
  for (int i = 0; i < count; ++i) {
    const float dry = dry_[dry_at_];
    dry_[dry_at_] = chunk_[i];
    if (++dry_at_ == latency_) dry_at_ = 0;
    dryness_ += (wanted > dryness_) - (wanted < dryness_);
    if (dryness_ == 0) continue;
    const float share = static_cast<float>(dryness_) / static_cast<float>(fade_);
    for (int k = 0; k < count_; ++k) {
      float& wet = Track(k)[i];
      wet = dryness_ == fade_ ? dry : wet + share * (dry - wet);
    }
  }
}

template <typename Sample>
void Stream::Give(int count, int at, Sample* out, Sample* const* rows) noexcept {
  const int faces = rows == nullptr ? 0 : scheduler_->faces();
  for (int k = 0; k <= faces; ++k) {
    Sample* to = (k == 0 ? out : rows[k - 1]) + at;
    const float* from = Track(count_ == 1 ? 0 : k);
    if constexpr (std::is_same_v<Sample, float>) {
      std::copy_n(from, count, to);
    } else {
      const int saturated = SampleConvert::ToInt16(from, count, to);
      if (saturated) scheduler_->counters().Add(Counter::kSaturatedSamples, saturated);
    }
  }
}

void Stream::Process(const float* in, int count, float* out, float* const* rows) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int i = 0; i < count; i += Chunk()) {
    const int size = std::min(Chunk(), count - i);
    // Repaired here already, because a NaN would stay in a resampler's memory.
    const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in + i, size, chunk_.data());
    if (repairs.nonfinite) scheduler_->counters().Add(Counter::kNonfiniteSamples, repairs.nonfinite);
    if (repairs.clamped) scheduler_->counters().Add(Counter::kClampedSamples, repairs.clamped);
    Run(size);
    Give(size, i, out, rows);
  }
}

void Stream::Process(const int16_t* in, int count, int16_t* out, int16_t* const* rows) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int i = 0; i < count; i += Chunk()) {
    const int size = std::min(Chunk(), count - i);
    SampleConvert::ToFloat(in + i, size, chunk_.data());
    Run(size);
    Give(size, i, out, rows);
  }
}

int Stream::RunSilence(int most) noexcept {
  std::fill(chunk_.begin(), chunk_.end(), 0.0f);
  const int count = std::min(Chunk(), most);
  Run(count);
  return count;
}

void Stream::Flush(float* out, float* const* rows) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int done = 0, count; done < latency_; done += count) {
    count = RunSilence(latency_ - done);
    Give(count, done, out, rows);
  }
}

void Stream::Flush(int16_t* out, int16_t* const* rows) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int done = 0, count; done < latency_; done += count) {
    count = RunSilence(latency_ - done);
    Give(count, done, out, rows);
  }
}

}  // namespace seehear
