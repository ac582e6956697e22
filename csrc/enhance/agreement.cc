#include "enhance/agreement.h"

#include <cmath>

namespace seehear {
namespace {

constexpr int kMemory = 8;  // s
constexpr float kLeastVariance =
    1e-3f;  // of a mean mask: lips or a sound that stand still agree with nothing

float Mean(const float* values, int count) noexcept {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum / static_cast<float>(count);
}

}  // namespace

void Agreement::Prepare(int hops_per_second) noexcept {
  rate_ = hops_per_second;
  Reset();
}

void Agreement::Reset() noexcept {
  hops_ = 0;
  lips_ = heard_ = lips_variance_ = heard_variance_ = covariance_ = 0;
  value_.store(0.0f, std::memory_order_relaxed);
}

void Agreement::Hear(const float* lips, const float* mask, int bands) noexcept {
  const int settle = rate_ / 2;  // the gate opens, and the lip net has seen too little of the face
  if (hops_ < settle + kMemory * rate_) ++hops_;
  if (hops_ <= settle) return;
  const float k = 1.0f / static_cast<float>(hops_ - settle);
  const float lips_off = Mean(lips, bands) - lips_, heard_off = Mean(mask, bands) - heard_;
  lips_ += k * lips_off;
  heard_ += k * heard_off;
  lips_variance_ += k * ((1.0f - k) * lips_off * lips_off - lips_variance_);
  heard_variance_ += k * ((1.0f - k) * heard_off * heard_off - heard_variance_);
  covariance_ += k * ((1.0f - k) * lips_off * heard_off - covariance_);
  if (hops_ < rate_) return;
  const float scale = (lips_variance_ + kLeastVariance) * (heard_variance_ + kLeastVariance);
  value_.store(covariance_ / std::sqrt(scale), std::memory_order_relaxed);
}

}  // namespace seehear
