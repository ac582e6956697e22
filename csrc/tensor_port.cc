#include "tensor_port.h"

#include <cmath>
#include <cstring>

#include "fast_math.h"

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
  int8_t* q = reinterpret_cast<int8_t*>(bytes_.data()) + offset;
  const float scale = spec_.scale, zero = static_cast<float>(spec_.zero_point);
  for (int i = 0; i < count; ++i) {
    // Division, not a product with 1 / scale, so that every tool that follows the definition agrees.
    const float x = Clamp(values[i] / scale, -512.0f, 512.0f);
    const float rounded = static_cast<float>(static_cast<int>(x + (x < 0.0f ? -0.5f : 0.5f)));
    q[i] = static_cast<int8_t>(static_cast<int>(Clamp(rounded + zero, -128.0f, 127.0f)));
  }
}

bool TensorPort::Read(float* values) const noexcept {
  if (spec_.dtype == DType::kFloat32) {
    std::memcpy(values, bytes_.data(), bytes_.size());
    return Finite();
  }
  const int8_t* q = reinterpret_cast<const int8_t*>(bytes_.data());
  const float scale = spec_.scale;
  const int zero = spec_.zero_point;
  for (int i = 0; i < size_; ++i) values[i] = scale * static_cast<float>(q[i] - zero);
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
