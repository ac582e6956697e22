#include "signal/block_adapter.h"

#include <algorithm>

namespace seehear {

Status BlockAdapter::Prepare(int hop, HopFunction function, void* context, int tracks) {
  if (hop < 1 || function == nullptr)
    return Status::Error("hop must be at least 1 sample with a function, got %d", hop);
  hop_ = hop;
  function_ = function;
  context_ = context;
  SEEHEAR_RETURN_IF_ERROR(in_.Allocate(hop));
  SEEHEAR_RETURN_IF_ERROR(out_.Allocate(hop * tracks));
  Reset();
  return Status::Ok();
}

void BlockAdapter::Reset() noexcept {
  filled_ = 0;
  std::fill(out_.begin(), out_.end(), 0.0f);
}

float BlockAdapter::Process(float x) noexcept {
  in_[filled_++] = x;
  if (filled_ == hop_) {
    function_(context_, in_.data(), out_.data());
    filled_ = 0;
  }
  return At(0);  // the sample that completes a hop already gets the first one of the result
}

}  // namespace seehear
