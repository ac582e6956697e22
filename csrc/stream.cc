#include "stream.h"

#include <algorithm>
#include <cmath>

#include "denormals.h"
#include "sample_convert.h"

namespace seehear {
namespace {

constexpr int kChunk = 64;          // samples converted at a time, where no hop decides
constexpr int kFadesASecond = 100;  // 10 ms each

void ProcessHop(void* scheduler, const float* in, float* out) {
  static_cast<HopScheduler*>(scheduler)->Process(in, out);
}

// No less than latency() of any stream at this rate: each resampler takes 2 ms at most, and a sample where
// the delay is rounded up.
int MostLatency(const HopScheduler& scheduler, int rate) {
  const int core = scheduler.latency() + scheduler.hop() - 1;
  if (rate == scheduler.rate()) return core;
  return static_cast<int>(static_cast<long long>(core) * rate / scheduler.rate()) + rate / 250 + 3;
}

}  // namespace

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
  SEEHEAR_RETURN_IF_ERROR(wet_.Allocate(chunk));
  return hop_.Allocate(block == 0 ? 0 : scheduler_->hop());
}

Status Stream::Prepare(HopScheduler* scheduler, int rate, int block) {
  const int core_rate = scheduler->rate();
  scheduler_ = scheduler;
  rate_ = rate;
  SEEHEAR_RETURN_IF_ERROR(adapter_.Prepare(scheduler->hop(), ProcessHop, scheduler));
  latency_ = scheduler->latency() + (block == 0 ? adapter_.latency() : 0);
  resamples_ = rate != core_rate;
  if (resamples_) {
    SEEHEAR_RETURN_IF_ERROR(up_.Prepare(core_rate, rate));
    const double inner = (latency_ + up_.delay()) * rate / core_rate;
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
  const size_t own = 2 * Vector<float>::Memory(kChunk) + Vector<float>::Memory(MostLatency(scheduler, rate)) +
                     BlockAdapter::Memory(scheduler.hop());
  if (rate == scheduler.rate()) return own;
  const size_t down = Resampler::Memory(rate, scheduler.rate()),
               up = Resampler::Memory(scheduler.rate(), rate);
  return down == 0 || up == 0 ? 0 : own + down + up;
}

void Stream::Reset() noexcept {
  scheduler_->Reset();
  adapter_.Reset();
  if (resamples_) {
    down_.Reset();
    up_.Reset();
  }
  std::fill(dry_.begin(), dry_.end(), 0.0f);
  dry_at_ = 0;
  dryness_ = -1;
}

float Stream::Step(float x) noexcept {
  if (!resamples_) return adapter_.Process(x);
  down_.Push(x);
  while (down_.Due()) up_.Push(adapter_.Process(down_.Pull()));
  return up_.Pull();
}

void Stream::RunHop() noexcept {
  if (!resamples_) {
    scheduler_->Process(chunk_.data(), wet_.data());
    return;
  }
  float* sample = hop_.data();
  for (float x : chunk_) {
    down_.Push(x);
    while (down_.Due()) *sample++ = down_.Pull();
  }
  scheduler_->Process(hop_.data(), hop_.data());
  sample = wet_.data();
  for (float x : hop_) {
    up_.Push(x);
    while (up_.Due()) *sample++ = up_.Pull();
  }
}

void Stream::Run(int count) noexcept {
  if (block_ != 0) {
    RunHop();
  } else {
    for (int i = 0; i < count; ++i) wet_[i] = Step(chunk_[i]);
  }
  const int wanted = scheduler_->strength() == 0.0f ? fade_ : 0;
  if (dryness_ < 0) dryness_ = wanted;
  for (int i = 0; i < count; ++i) {
    const float dry = dry_[dry_at_], wet = wet_[i];
    dry_[dry_at_] = chunk_[i];
    if (++dry_at_ == latency_) dry_at_ = 0;
    dryness_ += (wanted > dryness_) - (wanted < dryness_);
    const float share = static_cast<float>(dryness_) / static_cast<float>(fade_);
    chunk_[i] = dryness_ == 0 ? wet : dryness_ == fade_ ? dry : wet + share * (dry - wet);
  }
}

void Stream::Process(const float* in, int count, float* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int i = 0; i < count; i += Chunk()) {
    const int size = std::min(Chunk(), count - i);
    // Repaired here already, because a NaN would stay in a resampler's memory.
    const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in + i, size, chunk_.data());
    if (repairs.nonfinite) scheduler_->counters().Add(Counter::kNonfiniteSamples, repairs.nonfinite);
    if (repairs.clamped) scheduler_->counters().Add(Counter::kClampedSamples, repairs.clamped);
    Run(size);
    std::copy_n(chunk_.begin(), size, out + i);
  }
}

void Stream::Process(const int16_t* in, int count, int16_t* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int i = 0; i < count; i += Chunk()) {
    const int size = std::min(Chunk(), count - i);
    SampleConvert::ToFloat(in + i, size, chunk_.data());
    Run(size);
    const int saturated = SampleConvert::ToInt16(chunk_.data(), size, out + i);
    if (saturated) scheduler_->counters().Add(Counter::kSaturatedSamples, saturated);
  }
}

int Stream::RunSilence(int most) noexcept {
  std::fill(chunk_.begin(), chunk_.end(), 0.0f);
  const int count = std::min(Chunk(), most);
  Run(count);
  return count;
}

void Stream::Flush(float* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int done = 0; done < latency_;) {
    const int count = RunSilence(latency_ - done);
    std::copy_n(chunk_.begin(), count, out + done);
    done += count;
  }
}

void Stream::Flush(int16_t* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int done = 0; done < latency_;) {
    const int count = RunSilence(latency_ - done);
    const int saturated = SampleConvert::ToInt16(chunk_.data(), count, out + done);
    if (saturated) scheduler_->counters().Add(Counter::kSaturatedSamples, saturated);
    done += count;
  }
}

}  // namespace seehear
