#include "sight/lip_geometry.h"

#include <limits>

#include "testing/test.h"
#include "testing/test_config.h"

namespace seehear {
namespace {

TEST(DistancesAreInEyeDistances) {
  float face[100], d[10];
  TestFace(0.2f, face);
  CHECK(LipGeometry::Measure(face, d));
  CHECK_NEAR(d[0], 0.2, 1e-6);                 // inner lips
  CHECK_NEAR(d[8], (180.0 - 115) / 60, 1e-6);  // nose to chin
}

TEST(TiltScaleAndPlaceDoNotMatter) {
  float face[100], moved[100], d[10], e[10];
  TestFace(0.15f, face);
  const float c = 2.5f * std::cos(0.4f), s = 2.5f * std::sin(0.4f);
  for (int i = 0; i < 50; ++i) {
    moved[2 * i] = c * face[2 * i] - s * face[2 * i + 1] + 31.0f;
    moved[2 * i + 1] = s * face[2 * i] + c * face[2 * i + 1] - 17.0f;
  }
  CHECK(LipGeometry::Measure(face, d) && LipGeometry::Measure(moved, e));
  for (int i = 0; i < 10; ++i) CHECK_NEAR(e[i], d[i], 2e-6);
}

TEST(NanOrCoincidingEyesAreNoFace) {
  float face[100], d[10] = {7};
  TestFace(0.1f, face);
  face[99] = std::numeric_limits<float>::quiet_NaN();
  CHECK(!LipGeometry::Measure(face, d) && d[0] == 7);
  TestFace(0.1f, face);
  for (int i = 40; i < 44; ++i) face[2 * i] = face[2 * i + 1] = 5.0f;
  CHECK(!LipGeometry::Measure(face, d));
}

}  // namespace
}  // namespace seehear
