#include "stream.h"

#include <algorithm>
#include <cmath>

#include "denormals.h"
#include "sample_convert.h"

namespace seehear {
namespace {

constexpr int kChunk = 64;  // samples converted at a time

void ProcessHop(void* scheduler, const float* in, float* out) {
  static_cast<HopScheduler*>(scheduler)->Process(in, out);
}

}  // namespace

Status Stream::Prepare(HopScheduler* scheduler, int rate) {
  const int core_rate = scheduler->rate();
  SEEHEAR_RETURN_IF_ERROR(adapter_.Prepare(scheduler->hop(), ProcessHop, scheduler));
  latency_ = scheduler->latency() + adapter_.latency();
  resamples_ = rate != core_rate;
  if (resamples_) {
    SEEHEAR_RETURN_IF_ERROR(up_.Prepare(core_rate, rate));
    const double inner = (latency_ + up_.delay()) * rate / core_rate;
    // Delay the way in by the fraction of a sample that makes the whole chain late by whole samples.
    const double extra = std::ceil(inner - 1e-9) - inner;
    SEEHEAR_RETURN_IF_ERROR(down_.Prepare(rate, core_rate, extra > 0 ? extra : 0));
    latency_ = static_cast<int>(std::lround(down_.delay() + inner));
  }
  scheduler_ = scheduler;
  rate_ = rate;
  Reset();
  return Status::Ok();
}

size_t Stream::Memory(const HopScheduler& scheduler, int rate) {
  const size_t framing = BlockAdapter::Memory(scheduler.hop());
  if (rate == scheduler.rate()) return framing;
  const size_t down = Resampler::Memory(rate, scheduler.rate()),
               up = Resampler::Memory(scheduler.rate(), rate);
  return down == 0 || up == 0 ? 0 : framing + down + up;
}

void Stream::Reset() noexcept {
  scheduler_->Reset();
  adapter_.Reset();
  if (resamples_) {
    down_.Reset();
    up_.Reset();
  }
}

float Stream::Step(float x) noexcept {
  if (!resamples_) return adapter_.Process(x);
  down_.Push(x);
  while (down_.Due()) up_.Push(adapter_.Process(down_.Pull()));
  return up_.Pull();
}

void Stream::Process(const float* in, int count, float* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  float chunk[kChunk];
  for (int i = 0; i < count; i += kChunk) {
    const int size = std::min(kChunk, count - i);
    // Repaired here already, because a NaN would stay in a resampler's memory.
    const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in + i, size, chunk);
    if (repairs.nonfinite) scheduler_->counters().Add(Counter::kNonfiniteSamples, repairs.nonfinite);
    if (repairs.clamped) scheduler_->counters().Add(Counter::kClampedSamples, repairs.clamped);
    for (int j = 0; j < size; ++j) out[i + j] = Step(chunk[j]);
  }
}

void Stream::Process(const int16_t* in, int count, int16_t* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  float chunk[kChunk];
  for (int i = 0; i < count; i += kChunk) {
    const int size = std::min(kChunk, count - i);
    SampleConvert::ToFloat(in + i, size, chunk);
    for (int j = 0; j < size; ++j) chunk[j] = Step(chunk[j]);
    const int saturated = SampleConvert::ToInt16(chunk, size, out + i);
    if (saturated) scheduler_->counters().Add(Counter::kSaturatedSamples, saturated);
  }
}

void Stream::Flush(float* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  for (int i = 0; i < latency_; ++i) out[i] = Step(0.0f);
}

void Stream::Flush(int16_t* out) noexcept {
  const int16_t silence = 0;
  for (int i = 0; i < latency_; ++i) Process(&silence, 1, out + i);
}

}  // namespace seehear
