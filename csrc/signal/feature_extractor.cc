#include "signal/feature_extractor.h"

#include <cmath>

#include "base/fast_math.h"

namespace seehear {
namespace {

// Eight partial sums: a fixed order that vectorises without -ffast-math.
float Mean(const float* x, int count) noexcept {
  float part[8] = {};
  const int whole = count / 8 * 8;
  for (int i = 0; i < whole; i += 8) {
    for (int j = 0; j < 8; ++j) part[j] += x[i + j];
  }
  float sum = ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
  for (int i = whole; i < count; ++i) sum += x[i];
  return sum / static_cast<float>(count);
}

}  // namespace

Status FeatureExtractor::Prepare(const FeatureSpec& spec, int bands) {
  if (spec.mean.size() != bands || spec.std_dev.size() != bands) {
    return Status::Error("features.mean and features.std must hold %d values (one per band), got %d and %d",
                         bands, spec.mean.size(), spec.std_dev.size());
  }
  if (!(spec.floor >= 1e-30f) || !std::isfinite(spec.floor)) {
    return Status::Error("features.floor must be at least 1e-30, got %g", spec.floor);
  }
  if (!std::isfinite(spec.level_init))
    return Status::Error("features.level_init must be finite, got %g", spec.level_init);
  if (spec.level_prior < 0 || spec.level_hops < 1) {
    return Status::Error("features.level_prior must be >= 0 and features.level_hops >= 1, got %d and %d",
                         spec.level_prior, spec.level_hops);
  }
  if (!(spec.clip > 0.0f)) return Status::Error("features.clip must be above 0, got %g", spec.clip);
  SEEHEAR_RETURN_IF_ERROR(inverse_std_.Allocate(bands));
  for (int b = 0; b < bands; ++b) {
    if (!std::isfinite(spec.mean[b]) || !(spec.std_dev[b] > 0.0f) || !std::isfinite(spec.std_dev[b])) {
      return Status::Error(
          "features: band %d needs a finite mean and a standard deviation above 0, got %g and %g", b,
          spec.mean[b], spec.std_dev[b]);
    }
    inverse_std_[b] = 1.0f / spec.std_dev[b];
  }
  SEEHEAR_RETURN_IF_ERROR(mean_.CopyFrom(spec.mean));
  floor_ = spec.floor;
  level_init_ = spec.level_init;
  level_prior_ = spec.level_prior;
  level_hops_ = spec.level_hops;
  clip_ = spec.clip;
  bands_ = bands;
  silence_ = std::log(spec.floor) + 1.0f;
  SEEHEAR_RETURN_IF_ERROR(log_power_.Allocate(bands));
  Reset();
  return Status::Ok();
}

void FeatureExtractor::Reset() noexcept {
  level_ = level_init_;
  heard_ = 0;
}

void FeatureExtractor::Process(const float* power, float* features) noexcept {
  float* __restrict logp = log_power_.data();
  const float floor = floor_;
  for (int b = 0; b < bands_; ++b) logp[b] = Log(power[b] + floor);
  const float frame_level = Mean(logp, bands_);
  if (frame_level > silence_) {
    if (heard_ < level_hops_) ++heard_;
    // The sum as float: a prior of any size cannot overflow it.
    const float memory = static_cast<float>(level_prior_) + static_cast<float>(heard_);
    const float most = static_cast<float>(level_hops_);
    level_ += (frame_level - level_) / (memory < most ? memory : most);
  }
  const float* __restrict mean = mean_.data();
  const float* __restrict inverse = inverse_std_.data();
  const float clip = clip_, level = level_;
  for (int b = 0; b < bands_; ++b) {
    features[b] = Clamp((logp[b] - level - mean[b]) * inverse[b], -clip, clip);
  }
}

}  // namespace seehear
