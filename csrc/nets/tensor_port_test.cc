#include "nets/tensor_port.h"

#include <limits>

#include "testing/test.h"

namespace seehear {
namespace {

TEST(Int8RoundsHalfAwayFromZeroAndSaturates) {
  TensorPort port;
  CHECK_OK(port.Prepare({"x", {1, 8}, DType::kInt8, 0.5f, 3}));
  const float values[8] = {0.25f, -0.25f, 0.24f, 0.75f, -0.75f, 1e9f, -1e9f, 0.0f};
  port.Write(values, 0, 8);
  const int8_t expected[8] = {4, 2, 3, 5, 1, 127, -128, 3};
  for (int i = 0; i < 8; ++i) CHECK(static_cast<int8_t*>(port.data())[i] == expected[i]);
}

TEST(ReadUndoesWriteToHalfAStep) {
  TensorPort port;
  CHECK_OK(port.Prepare({"x", {1, 100}, DType::kInt8, 0.03f, -5}));
  float values[100], back[100];
  for (int i = 0; i < 100; ++i) values[i] = 0.037f * static_cast<float>(i - 50);
  port.Write(values, 0, 100);
  CHECK(port.Read(back));
  for (int i = 0; i < 100; ++i) CHECK_NEAR(back[i], values[i], 0.01501);
}

TEST(WritesInPartsLandSideBySide) {
  TensorPort port;
  CHECK_OK(port.Prepare({"x", {1, 4}, DType::kFloat32, 1.0f, 0}));
  const float a[2] = {1, 2}, b[2] = {3, 4};
  port.Write(b, 2, 2);
  port.Write(a, 0, 2);
  float back[4];
  CHECK(port.Read(back));
  for (int i = 0; i < 4; ++i) CHECK(back[i] == static_cast<float>(i + 1));
}

TEST(ReadReportsWhatIsNotFinite) {
  TensorPort port;
  CHECK_OK(port.Prepare({"x", {1, 2}, DType::kFloat32, 1.0f, 0}));
  float back[2];
  for (float strange : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const float values[2] = {0.5f, strange};
    port.Write(values, 0, 2);
    CHECK(!port.Read(back));
  }
}

TEST(ImpossibleTensorsAreRefused) {
  TensorPort port;
  CHECK_ERROR(port.Prepare({"x", {1, 0}, DType::kFloat32, 1.0f, 0}), "extent");
  CHECK_ERROR(port.Prepare({"x", {1, 2}, DType::kInt8, 0.0f, 0}), "scale above 0");
  CHECK_ERROR(port.Prepare({"x", {1, 2}, DType::kInt8, 1.0f, 200}), "zero_point");
  CHECK_ERROR(port.Prepare({"x", {70000, 70000}, DType::kFloat32, 1.0f, 0}), "16 million");
}

}  // namespace
}  // namespace seehear
