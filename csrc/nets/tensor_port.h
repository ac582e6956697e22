// One tensor of a graph: its bytes as the runtime wants them, and conversion from and to float.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "base/text.h"
#include "base/vector.h"

namespace seehear {

enum class DType { kInt8, kFloat32 };

struct TensorSpec {
  Text name;
  Vector<int> shape;
  DType dtype = DType::kFloat32;
  float scale = 1.0f;  // int8 only: real = scale * (q - zero_point)
  int zero_point = 0;
};

class TensorPort {
 public:
  Status Prepare(const TensorSpec& spec);

  const TensorSpec& spec() const { return spec_; }
  int size() const { return size_; }  // values
  void* data() { return bytes_.data(); }

  // Converts `count` values to the tensor, from value `offset` on. int8: rounded half away from zero,
  // saturating.
  void Write(const float* values, int offset, int count) noexcept;
  // Converts the whole tensor to `values`, size() of them; false if one is not finite.
  bool Read(float* values) const noexcept;
  bool Finite() const noexcept;  // whether Read would succeed

 private:
  TensorSpec spec_;
  int size_ = 0;
  Vector<uint8_t> bytes_;
};

}  // namespace seehear
