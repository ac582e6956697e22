#include "nets/tensor_port.h"

#include <cmath>
#include <cstring>

#include "nets/net_kernel.h"

namespace seehear {

Status TensorPort::Prepare(const TensorSpec& spec) {
  long long size = 1;
  for (int extent : spec.shape) {
    if (extent < 1)
      return Status::Error("tensor %s: every extent must be at least 1, got %d", spec.name.c_str(), extent);
    size *= extent;
    if (size > (1 << 24))
      return Status::Error("tensor %s holds more than 16 million values", spec.name.c_str());
  }
  if (spec.dtype == DType::kInt8) {
    if (!(spec.scale > 0.0f) || !std::isfinite(spec.scale)) {
      return Status::Error("tensor %s: int8 needs a scale above 0, got %g", spec.name.c_str(), spec.scale);
    }
    if (spec.zero_point < -128 || spec.zero_point > 127) {
      return Status::Error("tensor %s: zero_point must be -128 to 127, got %d", spec.name.c_str(),
                           spec.zero_point);
    }
  }
  SEEHEAR_RETURN_IF_ERROR(spec_.name.CopyFrom(spec.name));
  SEEHEAR_RETURN_IF_ERROR(spec_.shape.CopyFrom(spec.shape));
  spec_.dtype = spec.dtype;
  spec_.scale = spec.scale;
  spec_.zero_point = spec.zero_point;
  size_ = static_cast<int>(size);
  return bytes_.Allocate(size_ * static_cast<int>(spec.dtype == DType::kInt8 ? 1 : sizeof(float)));
}

void TensorPort::Write(const float* values, int offset, int count) noexcept {
  if (spec_.dtype == DType::kFloat32) {
    std::memcpy(bytes_.data() + offset * sizeof(float), values, count * sizeof(float));
    return;
  }
  ActiveNetKernel().quantize(values, count, spec_.scale, spec_.zero_point,
                             reinterpret_cast<int8_t*>(bytes_.data()) + offset);
}

bool TensorPort::Read(float* values) const noexcept {
  if (spec_.dtype == DType::kFloat32) {
    std::memcpy(values, bytes_.data(), bytes_.size());
    return Finite();
  }
  ActiveNetKernel().dequantize(reinterpret_cast<const int8_t*>(bytes_.data()), size_, spec_.scale,
                               spec_.zero_point, values);
  return true;
}

bool TensorPort::Finite() const noexcept {
  if (spec_.dtype != DType::kFloat32) return true;
  int strange = 0;
  for (int i = 0; i < size_; ++i) {
    float x;
    std::memcpy(&x, bytes_.data() + i * sizeof x, sizeof x);
    strange |= !(x - x == 0.0f);  // NaN for NaN and infinities
  }
  return strange == 0;
}

}  // namespace seehear
